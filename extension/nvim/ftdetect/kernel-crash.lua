-- Crash logs by file name, and console logs of any other name by what their first lines say.

local SEEN_LINES = 200

-- Headlines of reports, and what a kernel prints around them; plain text, searched anywhere in a line.
local SIGNS = {
  'BUG: KASAN: ',
  'BUG: KMSAN: ',
  'BUG: KCSAN: ',
  'BUG: KFENCE: ',
  'BUG: kernel NULL pointer dereference',
  'BUG: unable to handle ',
  'UBSAN: ',
  'Oops: ',
  'kernel BUG at ',
  'general protection fault',
  'Kernel panic - not syncing',
  'WARNING: CPU: ',
  'refcount_t: ',
}

---@param bufnr integer
---@return string?
local function by_content(_, bufnr)
  for _, line in ipairs(vim.api.nvim_buf_get_lines(bufnr, 0, SEEN_LINES, false)) do
    for _, sign in ipairs(SIGNS) do
      if line:find(sign, 1, true) then
        return 'kernel-crash'
      end
    end
  end
end

vim.filetype.add({
  extension = { crash = 'kernel-crash', oops = 'kernel-crash' },
  -- Only where nothing else is known of the file: a mail or a C file that quotes a crash stays what it is.
  pattern = { ['.*'] = { by_content, { priority = -math.huge } } },
})
