import { createHash } from 'node:crypto'

/** A program for Redis, which knows it by its SHA-1 once it has seen it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

/*
 * A history is one stream. The id of an entry is its position, <epoch>-<seq>: the part that Redis means for milliseconds
 * is the epoch, and XADD with `<epoch>-*` numbers by itself. The fields are `m`, the name of the message, and `p`, its text.
 *
 * What is done to one history touches one key and, where it publishes, the channel of the same slot. Two keys for one
 * fail for as long as a slot of a Cluster is on its way.
 */

/**
 * The marker of a new epoch, greater than all before. A stream that was emptied remembers its last id and takes no smaller
 * one, so it is removed; but not before it has refused, because after a first write Redis does not look at `maxmemory`.
 */
const BEGIN = `
local function isLate (id)
  return id.err and string.find(id.err, 'equal or smaller', 1, true)
end
local function begin (key, before, fresh, name)
  if before >= tonumber(fresh) then fresh = string.format('%.0f', before + 1) end
  local id = redis.pcall('XADD', key, fresh .. '-0', 'm', name, 'p', '')
  if before == 0 and isLate(id) then
    redis.pcall('DEL', key)
    id = redis.pcall('XADD', key, fresh .. '-0', 'm', name, 'p', '')
  end
  return id.err and id or fresh
end`

/**
 * For each key: numbers messages, keeps them, and publishes them as members get them. What the caller knows of the history
 * spares a look at it, and shows when numbers are given a second time: a Redis that has forgotten some begins a new epoch.
 * Nothing in it may raise an error, for one history must not take others with it: each has its own answer.
 *
 * A script costs Redis more than what it does, and after that strings are most of it. So there is one for what is sent
 * in a turn, and it makes no string twice.
 */
export const APPEND = script(`
local call, sub = redis.pcall, string.sub
local publish = ARGV[1]
${BEGIN}

local function append (key, at, last)
  local channel, ttl, keep, fresh, name, epoch, known = unpack(ARGV, at, at + 6)
  local first = at + 7
  local any
  local function add (i)
    if i < last then return call('XADD', key, any, 'm', ARGV[i], 'p', ARGV[i + 1]) end
    return call('XADD', key, 'MAXLEN', keep, any, 'm', ARGV[i], 'p', ARGV[i + 1])
  end
  local function addFirst ()
    any = epoch .. '-*'
    return add(first)
  end

  known = tonumber(known)
  local id = epoch ~= '' and addFirst()
  if not id or isLate(id) then
    local top = call('XREVRANGE', key, '+', '-', 'COUNT', 1)
    if top.err then return top.err end
    known = 0
    epoch = top[1] and string.match(top[1][1], '^%d+') or begin(key, 0, fresh, name)
    if epoch.err then return epoch.err end
    id = addFirst()
  end
  if id.err then return id.err end
  if tonumber(sub(id, #epoch + 2)) <= known then
    call('XDEL', key, id)
    epoch = begin(key, tonumber(epoch), fresh, name)
    if epoch.err then return epoch.err end
    id = addFirst()
  end

  local kept = call('PEXPIRE', key, ttl)
  if type(kept) ~= 'number' then
    call('XDEL', key, id)
    return kept.err
  end

  local digits, head = #epoch + 2, '!seq ' .. epoch .. ' '
  local seq, subscribers
  for i = first, last, 2 do
    if i > first then id = add(i) end
    local no, mid = sub(id, digits), ARGV[i]
    subscribers = call(publish, channel, head .. no .. ' ' .. mid .. '\\n' .. sub(ARGV[i + 1], 1, -2) .. ',"seq":' .. no .. ',"mid":"' .. mid .. '"}')
    if not seq then
      seq = tonumber(no)
      if type(subscribers) ~= 'number' then
        call('XDEL', key, id)
        return subscribers.err
      end
    end
  end
  return { epoch, seq, subscribers }
end

local answers, at = {}, 2
for i, key in ipairs(KEYS) do
  local last = at + 6 + 2 * ARGV[at]
  answers[i] = append(key, at + 1, last)
  at = last + 2
end
return answers
`)

/**
 * Looks for a message after a position that was there before it was sent: its number, 'absent', or 'gone' where the
 * position is not there any more, so that nobody can know. Also how many are subscribed now: the answer is lost that said
 * how many were.
 */
export const FIND = script(`
local key = KEYS[1]
local after, name, mid, channel = unpack(ARGV)
local outcome, from = 'gone', '-'
if after ~= '' then
  local known = redis.call('XRANGE', key, after, after)[1]
  if known and known[2][2] == name then outcome, from = 'absent', '(' .. after end
end
while true do
  local entries = redis.call('XRANGE', key, from, '+', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    if entry[2][2] == mid then
      local numbers = redis.pcall('PUBSUB', 'NUMSUB', channel)
      return { entry[1], numbers[2] or 0 }
    end
  end
  if #entries < 100 then return { outcome, 0 } end
  from = '(' .. entries[100][1]
end
`)

/**
 * What follows a position, with a look at the position itself. What was written anew becomes a new epoch, once. Answers
 * go to the connection that hears the messages, and Redis ends one on which too much waits: so there is a limit of bytes.
 */
export const READ = script(`
local key = KEYS[1]
local ttl, fresh, name, fromEpoch, fromSeq, fromMid, count, most = unpack(ARGV)
count, most = tonumber(count), tonumber(most)
${BEGIN}
local function top ()
  return redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
end

local last = top()
if not last then
  local epoch = begin(key, 0, fresh, name)
  if epoch.err then return epoch end
  last = top()
end
local entries, broken = {}, ''
if fromEpoch ~= '' then
  local from = fromEpoch .. '-' .. fromSeq
  local known = redis.call('XRANGE', key, from, from)[1]
  if known and known[2][2] == fromMid then
    local bytes, full = 0, false
    while not full do
      local some = redis.call('XRANGE', key, '(' .. from, '+', 'COUNT', 10)
      full = #some == 0
      for _, entry in ipairs(some) do
        for _, field in ipairs(entry[2]) do bytes = bytes + #field end
        full = full or #entries == count or (bytes > most and #entries > 0)
        if full then break end
        entries[#entries + 1] = entry
        from = entry[1]
      end
    end
  else
    local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1][1]
    local oldestEpoch, oldestSeq = string.match(oldest, '^(%d+)-(%d+)$')
    if tonumber(fromEpoch) < tonumber(oldestEpoch) or (fromEpoch == oldestEpoch and tonumber(fromSeq) < tonumber(oldestSeq)) then
      broken = 'trimmed'
    else
      broken = 'rewritten'
      if string.match(last[1], '^%d+') == fromEpoch then
        local epoch = begin(key, tonumber(fromEpoch), fresh, name)
        if epoch.err then return epoch end
        last = top()
      end
    end
  end
end
redis.call('PEXPIRE', key, ttl)
return { { last[1], { 'm', last[2][2] } }, entries, broken }
`)

/** Keeps a text until its time is over, if there is room. The set lives as long as what lives longest in it. */
export const KEEP = script(`
local key = KEYS[1]
local text, lifetime, most = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if redis.call('ZCARD', key) >= tonumber(most) and not redis.call('ZSCORE', key, text) then return 0 end
redis.call('ZADD', key, 'GT', string.format('%.0f', now + lifetime), text)
if redis.call('PTTL', key) < tonumber(lifetime) then redis.call('PEXPIRE', key, lifetime) end
return 1
`)

function script (text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
