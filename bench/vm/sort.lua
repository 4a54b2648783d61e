-- sort.lua - sorts a table of a million integers by the library's own sort.

local Sort = {}
Sort.__index = Sort

function Sort.new()
  return setmetatable({}, Sort)
end

function Sort:randomArray(size)
  local array, seed = {}, 42
  for i = 1, size do
    seed = seed * 16807 % 2147483647
    array[i] = seed
  end
  return array
end

function Sort:checksum(array)
  local sum, last = 0, 0
  for i = 1, #array do
    if array[i] < last then error("not in order") end
    last = array[i]
    sum = (sum * 31 + last) % 1000000007
  end
  return sum
end

function Sort:run(size)
  local array = self:randomArray(size)
  table.sort(array)
  return self:checksum(array)
end

local start = os.clock()
local answer = Sort.new():run(1000000)
print(string.format("sort %d %.6f", answer, os.clock() - start))
