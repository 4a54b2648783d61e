-- loops.lua - nested integer loops: three counted levels, then two while levels.

local Loops = {}
Loops.__index = Loops

function Loops.new()
  return setmetatable({}, Loops)
end

function Loops:counted(n)
  local sum = 0
  for a = 1, n do
    for b = 1, n do
      for c = 1, n do
        sum = sum + a - b + c
      end
    end
  end
  return sum
end

function Loops:whiled(n)
  local sum, i = 0, 0
  while i < n do
    local j = 0
    while j < n do
      if sum > 1000000 then sum = sum - 1000000 end
      sum = sum + j
      j = j + 1
    end
    i = i + 1
  end
  return sum
end

local start = os.clock()
local loops = Loops.new()
local answer = loops:counted(300) + loops:whiled(5000)
print(string.format("loops %d %.6f", answer, os.clock() - start))
