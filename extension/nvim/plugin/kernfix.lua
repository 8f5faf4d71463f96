-- C buffers join a server that a crash log has started: it then offers its fixes on the lines that it marks, and sees unsaved text.
-- It gives no hover, definition or completion there, so it can run beside clangd.

if vim.g.loaded_kernfix then
  return
end
vim.g.loaded_kernfix = true

local group = vim.api.nvim_create_augroup('kernfix', {})

---@param bufnr integer
local function join(bufnr)
  if vim.bo[bufnr].filetype ~= 'c' or vim.bo[bufnr].buftype ~= '' then
    return
  end
  for _, client in ipairs(vim.lsp.get_clients({ name = 'kernfix' })) do
    vim.lsp.buf_attach_client(bufnr, client.id)
  end
end

vim.api.nvim_create_autocmd('FileType', {
  group = group,
  pattern = 'c',
  callback = function(event)
    join(event.buf)
  end,
})

vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'kernfix' and vim.bo[event.buf].filetype == 'kernel-crash' then
      for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
        if vim.api.nvim_buf_is_loaded(bufnr) then
          join(bufnr)
        end
      end
    end
  end,
})
