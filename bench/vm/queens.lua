-- queens.lua - the eight queens problem by backtracking over three occupancy tables.

local Queens = {}
Queens.__index = Queens

local function filled(n, value)
  local t = {}
  for i = 1, n do t[i] = value end
  return t
end

function Queens.new()
  return setmetatable({}, Queens)
end

function Queens:solve()
  self.freeRows = filled(8, true)
  self.freeRising = filled(16, true)
  self.freeFalling = filled(16, true)
  self.rowOf = filled(8, 0)
  return self:placeFrom(1)
end

function Queens:placeFrom(column)
  for row = 1, 8 do
    if self:isFree(row, column) then
      self.rowOf[column] = row
      self:mark(row, column, false)
      if column == 8 then return true end
      if self:placeFrom(column + 1) then return true end
      self:mark(row, column, true)
    end
  end
  return false
end

function Queens:isFree(row, column)
  return self.freeRows[row] and self.freeRising[column + row]
    and self.freeFalling[column - row + 8]
end

function Queens:mark(row, column, free)
  self.freeRows[row] = free
  self.freeRising[column + row] = free
  self.freeFalling[column - row + 8] = free
end

function Queens:signature()
  local number = 0
  for i = 1, 8 do number = number * 10 + self.rowOf[i] end
  return number
end

function Queens:run(rounds)
  for _ = 1, rounds do
    if not self:solve() then error("no solution found") end
  end
  return self:signature()
end

local start = os.clock()
local answer = Queens.new():run(8000)
print(string.format("queens %d %.6f", answer, os.clock() - start))
