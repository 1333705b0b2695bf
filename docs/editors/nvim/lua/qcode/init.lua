-- qcode in Neovim: a terminal with it, what is selected handed over, buffers read anew.
local bridge = require("qcode.bridge")
local uv = vim.uv or vim.loop

local M = {}

local options = {
  command = { "qcode" },
  split = "botright vsplit",
  debounce_ms = 150,
  diagnostics = true,
}
local SELECTION_BYTES = 16 * 1024
local DIAGNOSTICS = 200
local timer, poller
local terminal
local selection -- what was selected last, until the cursor moves on

local function is_file(buffer)
  return vim.bo[buffer].buftype == "" and vim.api.nvim_buf_get_name(buffer) ~= ""
end

local function path_of(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  return vim.fn.fnamemodify(uv.fs_realpath(name) or name, ":p")
end

local function places()
  local found = { vim.fn.getcwd() }
  local buffer = vim.api.nvim_get_current_buf()
  if is_file(buffer) then
    table.insert(found, 1, path_of(buffer))
  end
  return found
end

-- As much text of the lines as may be handed over; whole lines, but for one that is too long.
local function text_of(lines)
  local text = table.concat(lines, "\n") .. "\n"
  if #text <= SELECTION_BYTES then
    return text, #lines
  end
  local kept, size = {}, 0
  for _, line in ipairs(lines) do
    size = size + #line + 1
    if size > SELECTION_BYTES then
      break
    end
    kept[#kept + 1] = line
  end
  return table.concat(kept, "\n") .. "\n", math.max(#kept, 1)
end

local function selected(buffer, first, last)
  local lines = vim.api.nvim_buf_get_lines(buffer, first - 1, last, false)
  local text, count = text_of(lines)
  return { text = text, first = first, last = first + count - 1 }
end

-- What stands from one place to another, as a visual mode selects it.
local function region(buffer, mode, from, to)
  local first, last = math.min(from[2], to[2]), math.max(from[2], to[2])
  if mode == "v" and first == last then
    local line = vim.api.nvim_buf_get_lines(buffer, first - 1, first, false)[1] or ""
    local a, b = math.min(from[3], to[3]), math.max(from[3], to[3])
    b = b + #(line:sub(b):match("^[%z\1-\127\194-\244][\128-\191]*") or " ") - 1
    return { text = line:sub(a, b):sub(1, SELECTION_BYTES), first = first, last = last }
  end
  return selected(buffer, first, last)
end

local function now_selected(buffer)
  local mode = vim.fn.mode()
  if mode:match("^[vV\22]") then
    return region(buffer, mode, vim.fn.getpos("v"), vim.fn.getpos("."))
  end
end

local SEVERITIES = { "error", "warning", "information", "hint" }

local function diagnostics()
  local found = {}
  for _, one in ipairs(vim.diagnostic.get()) do
    if #found >= DIAGNOSTICS then
      break
    end
    if vim.api.nvim_buf_is_valid(one.bufnr) and is_file(one.bufnr) then
      found[#found + 1] = {
        file = path_of(one.bufnr),
        line = one.lnum + 1,
        column = one.col + 1,
        severity = SEVERITIES[one.severity] or "error",
        message = vim.fn.strcharpart(one.message or "", 0, 1000),
        source = vim.fn.strcharpart(one.source or "", 0, 100),
      }
    end
  end
  return found
end

local function context(buffer, chosen)
  local at = vim.api.nvim_win_get_cursor(0)
  local open = {}
  for _, one in ipairs(vim.fn.getbufinfo({ buflisted = 1 })) do
    if #open < 100 and is_file(one.bufnr) then
      open[#open + 1] = path_of(one.bufnr)
    end
  end
  return {
    type = "context",
    file = path_of(buffer),
    line = at[1],
    column = at[2] + 1,
    modified = vim.bo[buffer].modified,
    selection = chosen,
    open_files = #open > 0 and open or nil,
    diagnostics = options.diagnostics and diagnostics() or nil,
  }
end

function M.hand_over()
  local buffer = vim.api.nvim_get_current_buf()
  if not bridge.connected() or not is_file(buffer) then
    return -- in the terminal what was before the person still is
  end
  bridge.say(context(buffer, now_selected(buffer) or selection))
end

local function soon()
  if not bridge.connected() then
    bridge.connect(places(), M.hand_over)
    return
  end
  timer:stop()
  timer:start(options.debounce_ms, 0, vim.schedule_wrap(M.hand_over))
end

local function tell(answer)
  if answer.type == "error" then
    vim.notify("qcode: " .. (answer.message or "refused"), vim.log.levels.WARN)
  end
end

-- Write a text into the session's line, or have it sent; with a range it is what is selected.
function M.send(text, opts)
  opts = opts or {}
  if not bridge.connected() then
    bridge.connect(places(), function()
      M.send(text, opts)
    end)
    if not bridge.find(places()) then
      vim.notify("qcode: no session is open here; :QCode starts one", vim.log.levels.WARN)
    end
    return
  end
  local buffer = vim.api.nvim_get_current_buf()
  if is_file(buffer) then
    local chosen = opts.first and selected(buffer, opts.first, opts.last) or now_selected(buffer)
    selection = chosen or selection
    bridge.say(context(buffer, selection), tell)
    if opts.first and not text:find("@selection", 1, true) then
      text = text == "" and "@selection " or (text .. " @selection")
    end
  end
  if text ~= "" then
    bridge.say({ type = "prompt", text = text, submit = opts.submit or false }, tell)
  end
end

-- Open the terminal with qcode in it, or go there.
function M.open(arguments)
  if terminal and vim.api.nvim_buf_is_valid(terminal) then
    local window = vim.fn.bufwinid(terminal)
    if window ~= -1 then
      vim.api.nvim_set_current_win(window)
    else
      vim.cmd(options.split)
      vim.api.nvim_win_set_buf(0, terminal)
    end
  else
    vim.cmd(options.split)
    vim.cmd("enew")
    local command = vim.list_extend(vim.deepcopy(options.command), arguments or {})
    local start = vim.fn.has("nvim-0.11") == 1 and function(words, opts)
      opts.term = true
      return vim.fn.jobstart(words, opts)
    end or vim.fn.termopen
    start(command, { env = { QCODE_BRIDGE_KEY = bridge.key } })
    terminal = vim.api.nvim_get_current_buf()
    vim.bo[terminal].bufhidden = "hide"
    poller:start(200, 500, vim.schedule_wrap(function()
      if bridge.connected() or not vim.api.nvim_buf_is_valid(terminal) then
        poller:stop()
      else
        bridge.connect(places(), M.hand_over)
      end
    end))
  end
  vim.cmd("startinsert")
end

-- For a statusline.
function M.status()
  return bridge.connected() and "qcode" or ""
end

local function leave_terminal()
  if vim.bo.buftype ~= "terminal" then
    return
  end
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(window)].buftype == "" then
      return vim.api.nvim_set_current_win(window)
    end
  end
  vim.cmd("aboveleft vsplit")
end

function bridge.on.open(message)
  if type(message.file) ~= "string" or message.file:sub(1, 1) ~= "/" then
    return
  end
  vim.cmd("stopinsert")
  leave_terminal()
  local name = vim.fn.fnameescape(message.file)
  if not pcall(vim.cmd, "edit " .. name) then
    vim.cmd("split " .. name) -- what is in the window is not saved
  end
  if (message.line or 0) > 0 then
    local line = math.min(message.line, vim.api.nvim_buf_line_count(0))
    vim.api.nvim_win_set_cursor(0, { line, math.max((message.column or 1) - 1, 0) })
  end
end

function bridge.on.changed(message)
  local wanted = {}
  for _, file in ipairs(message.files or {}) do
    wanted[uv.fs_realpath(file) or file] = true
  end
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and is_file(buffer) then
      if next(wanted) == nil or wanted[path_of(buffer)] then
        vim.bo[buffer].autoread = true -- one with changes of its own is asked about as ever
        vim.cmd("silent! checktime " .. buffer)
      end
    end
  end
end

function bridge.on.diff(message)
  for _, one in ipairs(message.files or {}) do
    if type(one.before) == "string" and type(one.after) == "string" then
      vim.cmd("tabnew " .. vim.fn.fnameescape(one.after))
      vim.cmd("diffthis")
      vim.cmd("leftabove vsplit " .. vim.fn.fnameescape(one.before))
      vim.cmd("setlocal readonly nomodifiable bufhidden=wipe | diffthis | wincmd p")
    end
  end
end

function M.setup(given)
  options = vim.tbl_deep_extend("force", options, given or {})
  if timer then
    return
  end
  timer, poller = uv.new_timer(), uv.new_timer()
  local group = vim.api.nvim_create_augroup("qcode", { clear = true })
  local function at(events, does)
    vim.api.nvim_create_autocmd(events, { group = group, callback = does })
  end
  at("ModeChanged", function()
    local was, is = vim.v.event.old_mode or "", vim.v.event.new_mode or ""
    if was:match("^[vV\22]") and not is:match("^[vV\22]") then
      local buffer = vim.api.nvim_get_current_buf()
      if is_file(buffer) then
        selection = region(buffer, was:sub(1, 1), vim.fn.getpos("'<"), vim.fn.getpos("'>"))
      end
    end
    soon()
  end)
  at({ "CursorMoved", "CursorMovedI" }, function()
    if is_file(0) then
      selection = now_selected(vim.api.nvim_get_current_buf())
      soon()
    end
  end)
  at({ "BufEnter", "BufWritePost", "CursorHold", "DiagnosticChanged", "FocusGained" }, soon)
  at("VimLeavePre", bridge.close)
end

return M
