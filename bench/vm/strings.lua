-- strings.lua - builds many short strings, joins them and reads the result back.

local Strings = {}
Strings.__index = Strings

function Strings.new()
  return setmetatable({}, Strings)
end

function Strings:records(size)
  local parts = {}
  for i = 1, size do
    parts[i] = "<" .. i .. ">=" .. i * i
  end
  return parts
end

function Strings:lines(lines, limit)
  local total = 0
  for _ = 1, lines do
    local line = ""
    while #line < limit do line = line .. "piece of text, " end
    total = total + #line
  end
  return total
end

function Strings:checksum(text)
  local sum, byte = 0, string.byte
  for i = 1, #text do sum = (sum * 31 + byte(text, i)) % 1000003 end
  return sum
end

function Strings:run(size)
  local text = table.concat(self:records(size), "; ")
  return self:checksum(text) * 100000000 + #text + self:lines(size // 10, 500)
end

local start = os.clock()
local answer = Strings.new():run(200000)
print(string.format("strings %d %.6f", answer, os.clock() - start))
