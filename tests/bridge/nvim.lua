-- Played by tests/bridge/test_editors.py in a real Neovim; what goes wrong is its exit code.
local bridge = require("qcode.bridge")
local qcode = require("qcode")

local function await(what, true_)
  if not vim.wait(10000, true_, 10) then
    io.stderr:write("did not happen: " .. what .. "\n")
    vim.cmd("cquit 3")
  end
end

local ok, why = pcall(function()
  vim.cmd("edit app.txt")
  await("a connection", bridge.connected)
  vim.cmd("2,3QCodeSend why?")
  await("a reload", function()
    return vim.api.nvim_buf_get_lines(0, 0, 1, false)[1] == "reloaded"
  end)
  vim.api.nvim_feedkeys("ggVj", "nx", false)
  vim.cmd("normal! \27")
  local names = vim.api.nvim_create_namespace("checker")
  vim.diagnostic.set(names, 0, {
    { lnum = 1, col = 2, message = "bad\nname", severity = vim.diagnostic.severity.WARN, source = "lint" },
  })
  await("another file", function()
    return vim.fn.expand("%:t") == "other file.txt" and vim.fn.line(".") == 2
  end)
  await("a diff", function()
    return vim.fn.tabpagenr("$") == 2 and vim.wo.diff
  end)
  vim.cmd("tabonly!")
  vim.cmd("QCode --version")
  vim.cmd("QCodeSend! done")
  await("a key", function()
    return vim.fn.filereadable("key") == 1 and vim.fn.readfile("key")[1] == bridge.key
  end)
  await("the end", function()
    return not bridge.connected()
  end)
end)
if not ok then
  io.stderr:write(tostring(why) .. "\n")
  vim.cmd("cquit 4")
end
vim.cmd("qall!")
