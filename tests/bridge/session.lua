-- Played by tests/e2e/test_neovim.py in a real Neovim, with a real session in its terminal.
local bridge = require("qcode.bridge")

local function await(what, true_)
  if not vim.wait(20000, true_, 20) then
    io.stderr:write("did not happen: " .. what .. "\n")
    vim.cmd("cquit 3")
  end
end

vim.cmd("edit app.txt")
vim.cmd("QCode --base-url " .. vim.env.BASE_URL .. " -m scripted -y")
await("a connection", bridge.connected)
vim.cmd("stopinsert | wincmd p")
vim.cmd("2QCodeSend! change it")
await("a reload", function()
  return vim.fn.getbufline(vim.fn.bufnr("app.txt"), 2)[1] == "2"
end)
await("a status line", function()
  local lines = vim.api.nvim_buf_get_lines(vim.fn.bufnr("term://*"), 0, -1, false)
  return table.concat(lines, "\n"):find("nvim: app.txt:2", 1, true) ~= nil
end)
vim.cmd("qall!")
