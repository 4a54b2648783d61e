-- permute.lua - all permutations of a table by recursive swapping.

local Permute = {}
Permute.__index = Permute

function Permute.new()
  return setmetatable({}, Permute)
end

function Permute:permute(n)
  self.count = self.count + 1
  if n == 0 then return end
  self:permute(n - 1)
  for i = n, 1, -1 do
    self:swap(n, i)
    self:permute(n - 1)
    self:swap(n, i)
  end
end

function Permute:swap(i, j)
  local items = self.items
  local kept = items[i]
  items[i] = items[j]
  items[j] = kept
end

function Permute:run(rounds, size)
  self.count = 0
  self.items = {}
  for _ = 1, rounds do
    for i = 1, size do self.items[i] = i end
    self:permute(size)
  end
  return self.count
end

local start = os.clock()
local answer = Permute.new():run(700, 6)
print(string.format("permute %d %.6f", answer, os.clock() - start))
