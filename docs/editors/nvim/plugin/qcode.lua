if vim.g.loaded_qcode or vim.fn.has("nvim-0.7") == 0 then
  return
end
vim.g.loaded_qcode = true

local function command(name, does, more)
  vim.api.nvim_create_user_command(name, does, more)
end

command("QCode", function(call)
  require("qcode").open(call.fargs)
end, { nargs = "*", complete = "file", desc = "Open a terminal with qcode" })

command("QCodeSend", function(call)
  local range = call.range > 0 and { first = call.line1, last = call.line2 } or {}
  range.submit = call.bang
  require("qcode").send(call.args, range)
end, { nargs = "*", range = true, bang = true, desc = "Write into qcode's line; ! sends it" })

require("qcode").setup(vim.g.qcode or {})
