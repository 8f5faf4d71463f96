-- Language server for Linux kernel crash logs: `vim.lsp.enable('kernfix')` is all it takes.
--
-- Settings go into the table `kernfix`, for example
--   vim.lsp.config('kernfix', { settings = { kernfix = { tree = '~/src/linux' } } })

---@type vim.lsp.Config
return {
  cmd = { 'kernfix', 'lsp' },
  filetypes = { 'kernel-crash' },
  root_markers = { 'MAINTAINERS', '.git' },
  settings = { kernfix = vim.empty_dict() },
}
