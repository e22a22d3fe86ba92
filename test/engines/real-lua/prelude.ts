/** The Lua text that builds what scripts see: a read-only environment and the `redis` table. */

/** The name that Redis gives the chunk of a script, which its error texts repeat. */
export const CHUNK_NAME = '@user_script'

/**
 * A chunk that takes the bound functions and returns the environment, its table of globals and the
 * error handler. It lacks what a script could escape the limits with (coroutines, loaders, xpcall).
 */
export const PRELUDE = `
local call, pcall_reply, sha1hex = ...
local getinfo, protected, fail, lookup = debug.getinfo, pcall, error, rawget

local function readonly(contents)
  return setmetatable({}, {
    __index = contents,
    __newindex = function() fail('Attempt to modify a readonly table', 2) end,
    __metatable = false,
  })
end

local function settle(ok, ...)
  if ok then return true, ... end
  local failure = ...
  if type(failure) == 'table' and type(lookup(failure, 'err')) == 'string' then
    return false, failure.err
  end
  return false, failure
end

local function error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return { err = 'ERR wrong number or type of arguments' }
  end
  if text:sub(1, 1) == '-' then text = text:sub(2) end
  if not text:find(' ', 1, true) then text = 'ERR ' .. text end
  return { err = text }
end

local function status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return { err = 'ERR wrong number or type of arguments' }
  end
  return { ok = text }
end

local function handler(failure)
  local level = 2
  local info = getinfo(level, 'Sl')
  while info and (info.what == 'C' or info.source == '@prelude') do
    level = level + 1
    info = getinfo(level, 'Sl')
  end
  if type(failure) ~= 'table' then failure = { err = 'ERR ' .. tostring(failure) } end
  if lookup(failure, 'err') == nil then failure = { err = 'ERR unknown error' } end
  if info then failure.source, failure.line = info.source, info.currentline end
  return failure
end

local globals = {
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs,
  pcall = function(...) return settle(protected(...)) end,
  rawequal = rawequal, rawget = rawget, select = select, setmetatable = setmetatable,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, _VERSION = _VERSION,
  math = readonly(math), string = readonly(string), table = readonly(table),
  redis = readonly({
    call = call, pcall = pcall_reply, sha1hex = sha1hex,
    error_reply = error_reply, status_reply = status_reply,
    log = function() end, LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  }),
}
setmetatable(globals, { __index = function(_, name)
  fail("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end })
getmetatable('').__metatable = false
return readonly(globals), globals, handler
`
