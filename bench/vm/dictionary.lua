-- dictionary.lua - a million keys inserted and looked up, half integers, half strings.

local Dict = {}
Dict.__index = Dict

function Dict.new()
  return setmetatable({}, Dict)
end

function Dict:integerKey(i)
  return i * 7919 % 1000003 * 16 + 5
end

function Dict:stringKey(i)
  return "key" .. i
end

function Dict:integers(size)
  local dictionary, sum = {}, 0
  for i = 1, size do
    dictionary[self:integerKey(i)] = i
  end
  for i = 1, size do sum = sum + dictionary[self:integerKey(i)] end
  for i = 1, size do
    if dictionary[self:integerKey(i) + 1] ~= nil then
      error("found a key that was never stored")
    end
  end
  return sum
end

function Dict:strings(size)
  local dictionary, sum = {}, 0
  for i = 1, size do
    dictionary[self:stringKey(i)] = i
  end
  for i = 1, size do sum = sum + dictionary[self:stringKey(i)] end
  return sum
end

local start = os.clock()
local bench = Dict.new()
local answer = bench:integers(500000) + bench:strings(500000)
print(string.format("dictionary %d %.6f", answer, os.clock() - start))
