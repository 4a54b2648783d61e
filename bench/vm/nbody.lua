-- nbody.lua - the sun and the giant planets: float fields of a few objects.

local sqrt, pi = math.sqrt, math.pi
local SOLAR_MASS = 4.0 * pi * pi
local DAYS = 365.24

local Body = {}
Body.__index = Body

function Body.new(x, y, z, vx, vy, vz, mass)
  return setmetatable({
    x = x, y = y, z = z,
    vx = vx * DAYS, vy = vy * DAYS, vz = vz * DAYS,
    mass = mass * SOLAR_MASS,
  }, Body)
end

function Body:push(dx, dy, dz, factor)
  self.vx = self.vx - dx * factor
  self.vy = self.vy - dy * factor
  self.vz = self.vz - dz * factor
end

function Body:attract(other, dt)
  local dx, dy, dz = self.x - other.x, self.y - other.y, self.z - other.z
  local squared = dx * dx + dy * dy + dz * dz
  local magnitude = dt / (squared * sqrt(squared))
  self:push(dx, dy, dz, other.mass * magnitude)
  other:push(dx, dy, dz, 0.0 - self.mass * magnitude)
end

function Body:move(dt)
  self.x = self.x + dt * self.vx
  self.y = self.y + dt * self.vy
  self.z = self.z + dt * self.vz
end

function Body:kineticEnergy()
  return 0.5 * self.mass * (self.vx * self.vx + self.vy * self.vy + self.vz * self.vz)
end

function Body:potentialEnergy(other)
  local dx, dy, dz = self.x - other.x, self.y - other.y, self.z - other.z
  return self.mass * other.mass / sqrt(dx * dx + dy * dy + dz * dz)
end

local System = {}
System.__index = System

function System.new()
  local self = setmetatable({}, System)
  self.bodies = {
    Body.new(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    Body.new(4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
      0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023,
      0.000954791938424326609),
    Body.new(8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
      -0.00276742510726411, 0.00499852801234917238, 0.0000230417297573763929,
      0.000285885980666130812),
    Body.new(12.8943695621391310, -15.1111514016986312, -0.223307578892655734,
      0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556,
      0.0000436624404335156298),
    Body.new(15.3796971148509165, -25.9193146099879641, 0.179258772950371181,
      0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870,
      0.0000515138902046611451),
  }
  self:stopDrift()
  return self
end

function System:stopDrift()
  local px, py, pz = 0.0, 0.0, 0.0
  for _, body in ipairs(self.bodies) do
    px = px + body.vx * body.mass
    py = py + body.vy * body.mass
    pz = pz + body.vz * body.mass
  end
  local sun = self.bodies[1]
  sun.vx = 0.0 - px / SOLAR_MASS
  sun.vy = 0.0 - py / SOLAR_MASS
  sun.vz = 0.0 - pz / SOLAR_MASS
end

function System:advance(dt)
  local bodies = self.bodies
  local size = #bodies
  for i = 1, size do
    local body = bodies[i]
    for j = i + 1, size do body:attract(bodies[j], dt) end
  end
  for i = 1, size do bodies[i]:move(dt) end
end

function System:energy()
  local sum, bodies = 0.0, self.bodies
  for i = 1, #bodies do
    sum = sum + bodies[i]:kineticEnergy()
    for j = i + 1, #bodies do sum = sum - bodies[i]:potentialEnergy(bodies[j]) end
  end
  return sum
end

function System:run(steps)
  for _ = 1, steps do self:advance(0.01) end
  return math.ceil(self:energy() * 1.0e9 - 0.5)
end

local start = os.clock()
local answer = System.new():run(200000)
print(string.format("nbody %d %.6f", answer, os.clock() - start))
