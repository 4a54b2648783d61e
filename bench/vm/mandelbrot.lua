-- mandelbrot.lua - escape counts of the Mandelbrot set: float arithmetic in loops.

local Mandelbrot = {}
Mandelbrot.__index = Mandelbrot

function Mandelbrot.new()
  return setmetatable({}, Mandelbrot)
end

function Mandelbrot:size(size)
  local sum = 0
  for y = 0, size - 1 do
    local ci = 2.0 * y / size - 1.0
    for x = 0, size - 1 do
      local cr = 2.0 * x / size - 1.5
      local zr, zi, rr, ii, count = 0.0, 0.0, 0.0, 0.0, 0
      while count < 50 and rr + ii <= 4.0 do
        zi = 2.0 * zr * zi + ci
        zr = rr - ii + cr
        rr = zr * zr
        ii = zi * zi
        count = count + 1
      end
      sum = sum + count
    end
  end
  return sum
end

local start = os.clock()
local answer = Mandelbrot.new():size(1000)
print(string.format("mandelbrot %d %.6f", answer, os.clock() - start))
