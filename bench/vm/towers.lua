-- towers.lua - the towers of Hanoi with linked disks on three piles.

local Disk = {}
Disk.__index = Disk

function Disk.new(size)
  return setmetatable({ size = size, below = nil }, Disk)
end

local Towers = {}
Towers.__index = Towers

function Towers.new()
  return setmetatable({}, Towers)
end

function Towers:push(disk, pile)
  local top = self.piles[pile]
  if top and disk.size >= top.size then error("a big disk may not lie on a small one") end
  disk.below = top
  self.piles[pile] = disk
end

function Towers:popFrom(pile)
  local top = self.piles[pile]
  if not top then error("no disk to take") end
  self.piles[pile] = top.below
  top.below = nil
  return top
end

function Towers:moveTop(from, to)
  self:push(self:popFrom(from), to)
  self.moves = self.moves + 1
end

function Towers:move(disks, from, to)
  if disks == 1 then
    self:moveTop(from, to)
    return
  end
  local other = 6 - from - to
  self:move(disks - 1, from, other)
  self:moveTop(from, to)
  self:move(disks - 1, other, to)
end

function Towers:run(rounds, disks)
  self.moves = 0
  for _ = 1, rounds do
    self.piles = {}
    for size = disks, 1, -1 do self:push(Disk.new(size), 1) end
    self:move(disks, 1, 2)
  end
  return self.moves
end

local start = os.clock()
local answer = Towers.new():run(320, 13)
print(string.format("towers %d %.6f", answer, os.clock() - start))
