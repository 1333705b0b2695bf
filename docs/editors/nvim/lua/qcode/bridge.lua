-- The bridge to a qcode session: a JSON object a line over a local socket.
local uv = vim.uv or vim.loop

local M = { on = {} }

local LONGEST = 16 * 1024 * 1024
local state = { pipe = nil, ready = false, rest = "", next_id = 0, waiting = {}, session = nil }

M.key = "nvim-" .. vim.fn.getpid() .. "-" .. uv.hrtime()

-- Where sessions say that they listen.
function M.folder()
  local runtime = vim.env.XDG_RUNTIME_DIR or ""
  if runtime:sub(1, 1) == "/" then
    return runtime .. "/qcode"
  end
  local base = vim.env.XDG_STATE_HOME or ""
  if base:sub(1, 1) ~= "/" then
    base = vim.fn.expand("~/.local/state")
  end
  return base .. "/qcode/run"
end

local function read_json(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read(1024 * 1024)
  file:close()
  local ok, value = pcall(vim.json.decode, text or "")
  local sound = ok and type(value) == "table" and type(value.socket) == "string"
    and type(value.token) == "string" and type(value.cwd) == "string"
  return sound and value or nil
end

local function contains(folder, path)
  return path == folder or path:sub(1, #folder + 1) == folder .. "/" or folder == "/"
end

-- The session that this editor started, or the nearest one of the places.
function M.find(places)
  local best, rank = nil, -1
  for _, path in ipairs(vim.fn.glob(M.folder() .. "/*.json", true, true)) do
    local one = read_json(path)
    if one then
      local found = one.key == M.key and 1e9 or -1
      for _, place in ipairs(places) do
        local real = uv.fs_realpath(place) or place
        if contains(one.cwd, real) then
          found = math.max(found, #one.cwd)
        end
      end
      if found > rank or (found == rank and best and (one.started or 0) > (best.started or 0)) then
        best, rank = one, found
      end
    end
  end
  return rank >= 0 and best or nil
end

function M.close()
  local pipe = state.pipe
  state.pipe, state.ready, state.rest, state.session = nil, false, "", nil
  local waiting = state.waiting
  state.waiting = {}
  if pipe and not pipe:is_closing() then
    pipe:close()
  end
  for _, answered in pairs(waiting) do
    answered({ type = "error", message = "the session is gone" })
  end
end

local function take(line)
  local ok, message = pcall(vim.json.decode, line)
  if not ok or type(message) ~= "table" then
    return M.close()
  end
  local answered = message.id and state.waiting[message.id]
  if answered then
    state.waiting[message.id] = nil
    answered(message)
  elseif message.type and M.on[message.type] then
    M.on[message.type](message)
  end
end

local function feed(data)
  state.rest = state.rest .. data
  if #state.rest > LONGEST then
    return M.close()
  end
  while true do
    local at = state.rest:find("\n", 1, true)
    if not at then
      return
    end
    local line = state.rest:sub(1, at - 1)
    state.rest = state.rest:sub(at + 1)
    take(line)
  end
end

local function send(message, answered)
  if not state.pipe or state.pipe:is_closing() then
    return false
  end
  state.next_id = state.next_id + 1
  message.id = state.next_id
  state.waiting[message.id] = answered or function() end
  state.pipe:write(vim.json.encode(message) .. "\n")
  return true
end

-- Say something to the session; false: there is none.
function M.say(message, answered)
  return state.ready and send(message, answered) or false
end

function M.connected()
  return state.ready
end

function M.session()
  return state.session
end

-- Connect to a session, unless that is done; `ready` is called once it is.
function M.connect(places, ready)
  if state.pipe then
    return
  end
  local found = M.find(places)
  if not found then
    return
  end
  local pipe = uv.new_pipe(false)
  state.pipe = pipe
  -- Not scheduled: whatever keeps the editor busy, the session waits for `hello` only so long.
  pipe:connect(found.socket, function(failed)
    if failed or state.pipe ~= pipe then
      if state.pipe == pipe then
        vim.schedule(M.close)
      end
      return
    end
    pipe:read_start(vim.schedule_wrap(function(wrong, data)
      if state.pipe ~= pipe then
        return
      end
      if wrong or not data then
        M.close()
      else
        feed(data)
      end
    end))
    send({ type = "hello", token = found.token, client = "nvim", version = 1 }, function(answer)
      if answer.type ~= "ok" then
        return M.close()
      end
      state.ready, state.session = true, answer.session
      send({ type = "subscribe", events = { "changed", "open", "diff" } })
      ready()
    end)
  end)
end

return M
