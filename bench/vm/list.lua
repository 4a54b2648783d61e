-- list.lua - Takeuchi's function on linked lists: link chasing and nil tests.

local Cell = {}
Cell.__index = Cell

function Cell.new(item, next)
  return setmetatable({ item = item, next = next }, Cell)
end

function Cell:length()
  if self.next == nil then return 1 end
  return 1 + self.next:length()
end

local List = {}
List.__index = List

function List.new()
  return setmetatable({}, List)
end

function List:makeList(length)
  if length == 0 then return nil end
  return Cell.new(length, self:makeList(length - 1))
end

function List:isShorter(x, y)
  local a, b = x, y
  while b do
    if not a then return true end
    a = a.next
    b = b.next
  end
  return false
end

function List:tail(x, y, z)
  if not self:isShorter(y, x) then return z end
  return self:tail(self:tail(x.next, y, z), self:tail(y.next, z, x), self:tail(z.next, x, y))
end

function List:run(rounds)
  local sum = 0
  for _ = 1, rounds do
    sum = sum + self:tail(self:makeList(15), self:makeList(10), self:makeList(6)):length()
  end
  return sum
end

local start = os.clock()
local answer = List.new():run(1000)
print(string.format("list %d %.6f", answer, os.clock() - start))
