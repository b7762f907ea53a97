-- One exchange of one process: what it used and learned goes in, leases and news come out. router/shared/allocator.py is
-- the same in Python, and a test holds the two together. The files beside this one stand before it: each puts one
-- function into `answers`, by the kind of entry that it answers.
--
-- KEYS: the epoch, the living processes, the last reply to this one, and those of each entry.
-- ARGV: label, number, the epoch that it knows, whether data was lost within a minute, whether it leaves; then for each
-- entry its kind and what its function reads.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = string.format('%.6f', now)
  redis.call('SET', KEYS[1], epoch)
end

local number = ARGV[2] .. ' '
local last = redis.call('GET', KEYS[3])
if last and string.sub(last, 1, #number) == number then
  return string.sub(last, #number + 1)
end

local leaving = ARGV[5] == '1'
if leaving then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], string.format('%.6f', now), ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now - 5))
redis.call('EXPIRE', KEYS[2], 60)
local processes = redis.call('ZCARD', KEYS[2])
local tick = math.max(0.1, math.min(1, processes / 10000))

local anew = ARGV[3] ~= '' and ARGV[3] ~= epoch -- what this process tells of was lost
local lost = anew or ARGV[4] == '1'
local moment = {now = now, label = ARGV[1], anew = anew, lost = lost, leaving = leaving, processes = processes}
moment.born = tonumber(epoch)

local lines = {string.format('%s %.6f %d %.4f', epoch, now, processes, tick)}
local key, at = 4, 6
while ARGV[at] do
  local line
  line, key, at = answers[ARGV[at]](moment, key, at + 1)
  table.insert(lines, line)
end

local text = table.concat(lines, '\n')
if not leaving then redis.call('SET', KEYS[3], number .. text, 'EX', 60) end -- which nobody repeats
return text
