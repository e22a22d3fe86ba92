/** Lua texts whose results, or whose errors, are the same on every implementation of Lua 5.1. */

/** Expressions; each becomes `return tostring(…)`, so that all digits and types show. */
const expressions = `
1e15; 1e14; 1e13; 123456789012345; 0.1; 1/3; -0.5e-7; 1e-5; 1e100; 2^53; 2^63; -2^31; 100; 1e14+0.5; 5e-324; 1.7976931348623157e308
1234567890123.25; 1234567890123.35; 1e21; 123456.789e3; 3.14159265358979; 0.1 + 0.2; 1/0; -1/0; -0; 0 * -1; 1e14 - 1
5 % 3; -5 % 3; 5 % -3; -5 % -3; 5.5 % 2; 0 % 5; -1 % 1e15; 1e300 % 7; 7 % 0.1; 2 ^ 0.5; 2 ^ -1; (-2) ^ 3; (-8) ^ (1/3) ~= (-8) ^ (1/3); -2 ^ 2; 2 ^ 3 ^ 2
"10" + 5; "0x10" + 0; " 5 " * 2; "1e2" + 1; 10 .. 20; 1.5 .. ""; -1 .. ""; 2^53 .. ""; "3" * "4"; -"2"; - "0x10"; "10" / 4; "7" % 4; "2" ^ "3"
tonumber("10"); tonumber("  10  "); tonumber("10a"); tonumber(""); tonumber(" "); tonumber("0x1F"); tonumber("0X1f"); tonumber("-0x10"); tonumber("1e5"); tonumber("1e"); tonumber("1e+5"); tonumber("1E-5")
tonumber(".5"); tonumber("5."); tonumber("."); tonumber("+5"); tonumber("--5"); tonumber("- 5"); tonumber("1 2"); tonumber("inf"); tonumber("-INF"); tonumber("infinity"); tonumber("infin"); tonumber("nan") ~= tonumber("nan"); tonumber("0x.8"); tonumber("0x1p4"); tonumber("0x1.8p1"); tonumber("1_000"); tonumber("1,5"); tonumber("\\t\\n5\\v\\f\\r"); tonumber("5\\0"); tonumber("5\\0x"); tonumber("\\0005"); tonumber("٣")
tonumber("ff", 16); tonumber("FF", 16); tonumber("0xff", 16); tonumber("zz", 36); tonumber("8", 8); tonumber("777", 8); tonumber("1010", 2); tonumber("12", 2); tonumber(" 11 ", 2); tonumber("", 16); tonumber("1.5", 16); tonumber("7", 10); tonumber("1e1", 10); tonumber(10, 16); tonumber(nil); tonumber(true); tonumber({}); tonumber("99999999999999999999"); tonumber("123456789012345678901234567890")
tostring(nil); tostring(true); tostring(12.50); tostring("x"); type(nil); type({}); type(print == nil or 1); type(type); type(KEYS); type(string)
1 == 1.0; "1" == 1; nil == false; "a" < "b"; "a" < "B"; "Z" < "a"; "" < "a"; "a" < "aa"; "\\200" > "a"; "\\255" > "\\1"; "10" < "9"; 1 < 2; 2 <= 2; "a" <= "a"; "b" >= "a"; not nil; not 0; not ""; 0 and 1; "" and 1; nil and 1; false or nil; nil or false; 1 and nil; false and error("x"); 1 or error("x"); nil and nil or 3; false == nil; 1 ~= 2
#"abc"; #""; #"\\0a\\0"; #"ä"; #{}; #{1, 2, 3}; #{1, nil, 3}; #{nil, nil, 3}; #{nil}; #{1, 2, nil}; #{1, nil, nil}; #{n = 1}; #{1, 2, n = 3, 4}; #{(function() return 1, 2, 3 end)()}; #{(function() return 1, 2, 3 end)(), 10}; #{((function() return 1, 2, 3 end)())}
("x"):rep(3); ("x"):rep(0); ("x"):rep(-1); ("abc"):sub(2); ("abc"):sub(-2); ("abc"):sub(2, 2); ("abc"):sub(0); ("abc"):sub(-100, 100); ("abc"):sub(3, 2); ("abc"):sub(4); ("abc"):sub(2, -2); ("abc"):sub(1.9); ("abc"):sub("2"); ("abc"):byte(); ("abc"):byte(2); ("abc"):byte(-1); ("abc"):byte(10); #{("abc"):byte(1, -1)}; #{("abc"):byte(1, 0)}; string.char(); string.char(72, 105); ("aBc1ä"):upper(); ("AbC1Ä"):lower(); ("abc"):reverse(); (""):reverse(); ("abc"):len(); ("é"):len(); ("é"):byte(); string.len(12)
("hello"):find("l"); ("hello"):find("xyz"); ("hello"):find(""); ("hello"):find("", 10); ("hello"):find("", 6); ("hello"):find("l", 4); ("hello"):find("l", -2); ("hello"):find("l", 10); ("a.b"):find(".", 1, true); ("a.b"):find("%."); ("a.b"):find(".", 2, true); ("a+b"):find("+", 1, true); ("abc"):find("b", -1); ("abc"):find("b", -10); ("hello"):find("(l)(l)"); ("a\\0b"):find("\\0", 1, true); ("a\\0b"):find("b")
("key=value"):match("(%w+)=(%w+)"); ("key=value"):match("%w+"); ("  x "):match("^%s*(.-)%s*$"); ("abc"):match("()b()"); ("abc"):match("^b"); ("abc"):match("b$"); ("abc"):match("c$"); ("a$c"):match("a$c"); ("2026-11-25"):match("^(%d+)-(%d+)-?(%d*)$"); ("2026-11"):match("^(%d+)-(%d+)-?(%d*)$"); ("aaa"):match("a-"); ("aaa"):match("a-$"); ("aaab"):match("a*b"); ("b"):match("a+b"); ("b"):match("a?b"); ("[x]"):match("%[(.)%]"); ("x]y"):match("[]]"); ("x^y"):match("[%^]"); ("x^y"):match("[x^]+"); ("a-b"):match("[a-]+"); ("a-b"):match("[-a]+"); ("abc"):match("[^a]+"); ("abc"):match("[a-c]+"); ("a]b"):match("[^]]"); ("f(a(b)c)d"):match("%b()"); ("THE (quick) fox"):find("%f[%a]%a+%f[%A]"); ("abcabc"):match("(abc)%1"); ("'x'"):match("(['\\"])x%1"); ("äöü"):match("[\\195]."); ("a\\0b"):match("%z"); ("abc"):match("%a%a%a%a"); ("x"):match(".-"); (""):match(".*"); (""):match(".+"); ("abc", 1); ("1|2|3|x|y"):match("^(%d+)|(%d+)(p?)|(%d+)|(.*)$"); ("a|b|"):match("^([^|]*)|([^|]*)|(.*)$"); ("hello world"):match("o w", 3); ("abc"):match("", 10); ("\\n"):match("."); ("%"):match("%%"); ("a.b.c"):match("^(.-)%.(.*)$"); ("x=1, y=2"):match("y=(%d)"); ("0123"):match("%x+"); ("gG"):match("%x"); ("a b"):match("%S+"); ("a_1"):match("[%w_]+"); ("Ab"):match("%u%l"); ("!"):match("%p"); ("\\1"):match("%c")
("hello"):gsub("l", "L"); ("hello"):gsub("l", "L", 1); ("hello"):gsub("", "-"); ("abc"):gsub("%w", "%0%0"); ("abc"):gsub("(%w)", "<%1>"); ("abc"):gsub("b", "%%"); ("abc"):gsub(".", {a = 1, b = true}); ("abc"):gsub(".", {a = "x", c = false}); ("abc"):gsub("%w", function(c) if c == "b" then return "B" end end); ("abc"):gsub("^a", "x"); ("aaa"):gsub("^a", "x"); ("abc"):gsub("x*", "-"); ("a,b,c"):gsub(",", "\\n"); ("abc def"):gsub("(%w+) (%w+)", "%2 %1"); ("abc"):gsub("b", "", 0); ("1:22:333"):gsub("[^:]+", function(n) return n + 1 end); ("x"):gsub(".", "%1"); ("äö"):gsub("\\195", "x"); ("abc"):gsub("$", "!"); ("a b"):gsub("%s", "%%20")
string.format("%d", 3.99); string.format("%d", -3.99); string.format("%5d|%-5d|%05d", 42, 42, 42); string.format("%+d % d", 5, 5); string.format("%.0f", 0.5); string.format("%.0f", 1.5); string.format("%.0f", 2.5); string.format("%.0f", 2^53 + 2); string.format("%.0f", 2^63); string.format("%.0f", 1e22); string.format("%.0f", -0.4); string.format("%.0f", "12"); string.format("%.2f", 0.125); string.format("%.2f", 0.375); string.format("%.1f", 0.25); string.format("%.3f", 2.0005); string.format("%f", 1/3); string.format("%5.1f|", 3.14159); string.format("%-8.3f|", 3.14159); string.format("%016.0f", 1234); string.format("%e", 12345.678); string.format("%.3e", 0.00012345); string.format("%g", 1e20); string.format("%g", 0.0001); string.format("%g", 100000); string.format("%g", 1e6); string.format("%.3g", 1234567); string.format("%.17g", 0.1); string.format("%.14g", 0.1); string.format("%.17g", 12345678901/1024); string.format("%g", 1/0); string.format("%G", 1e-10); string.format("%x", 255); string.format("%X", 255); string.format("%#x", 255); string.format("%o", 8); string.format("%c%c", 72, 105); string.format("%s", "x"); string.format("%s", 12); string.format("%10s|%-10s|", "a", "b"); string.format("%.2s", "abc"); string.format("%5.1s|", "abc"); string.format("%q", 'a "b" \\\\ \\n \\r \\0 c'); string.format("%%"); string.format("%5%" == nil and "" or "%%"); string.format("no"); string.format("%s %s", 1, 2.5); string.format("%i", 7); string.format("%u", 7); string.format("%.3d", 7); string.format("%s", ("x"):rep(200)); string.format("%5.3d|", 7)
table.concat({}); table.concat({1, 2, 3}); table.concat({1, 2, 3}, ", "); table.concat({"a", 1.5, "b"}, "-"); table.concat({1, 2, 3}, ",", 2); table.concat({1, 2, 3}, ",", 2, 3); table.concat({1, 2, 3}, ",", 3, 2); table.concat({"x"}, 5)
math.floor(-1.5); math.ceil(-1.5); math.max(1, 2, 3); math.min(3, "2"); math.abs(-3); math.fmod(-5, 3); math.fmod(5, -3); math.sqrt(16); math.huge; -math.huge; math.pi; math.floor(2^53 + 1); math.modf(3.7); math.modf(-3.7); math.frexp(8); math.ldexp(1, 10); math.pow(2, 10); math.log10(1000); math.exp(0); math.max(5); math.floor("3.7"); math.log(1)
select("#"); select("#", nil); select("#", nil, nil); select(2, "a", "b", "c"); select(-1, "a", "b", "c"); select("2", "a", "b"); select(5, 1) == nil
next({}); next({10}); rawequal("a", "a"); rawequal({}, {}); rawget({5}, 1); unpack({1, 2, 3}); unpack({1, 2, 3}, 2); unpack({1, 2, 3}, 2, 3); select("#", unpack({})); select("#", unpack({1, nil, 3})); select("#", unpack({}, 1, 3)); select("#", unpack({n = 3})); _VERSION
table.maxn({1, 2, nil, 4}); table.maxn({}); table.maxn({[10] = 1})
redis.sha1hex("abc"); redis.sha1hex(12); redis.status_reply("x").ok; redis.error_reply("x").err; redis.error_reply("A b").err; redis.error_reply(1).err; type(redis.log)
`

/** Whole scripts. */
const scripts = [
  'local a, b, c = (function() return 1, 2 end)() return {tostring(a), tostring(b), tostring(c)}',
  'local a, b = ((function() return 1, 2 end)()) return {tostring(a), tostring(b)}',
  'local function f(...) return ... end return {f(1, f(2, 3), f(4, 5))}',
  'local function f(...) return select("#", ...) end return {f(), f(nil), f(f()), f((f()))}',
  'local function f(...) local a, b = ... return tostring(a) .. tostring(b) end return {f(), f(1), f(1, 2, 3)}',
  'local function f(...) local t = {...} return #t end return {f(1, 2), f(), f(1, nil, 3)}',
  'local function none() end return {select("#", none()), select("#", (none())), tostring((none()))}',
  'local t = {} for i = 10, 1, -3 do t[#t + 1] = i end return t',
  'local t = {} for i = 1, 0 do t[#t + 1] = i end return #t',
  'local t = {} for i = 0.1, 1, 0.3 do t[#t + 1] = tostring(i) end return t',
  'local t = {} for i = 0.1, 3 do t[#t + 1] = string.format("%.17g", i) end return t',
  'local t = {} for i = "1", "3" do t[#t + 1] = type(i) end return t',
  'local t = {} for i = 1, 3 do local j = i i = 10 t[#t + 1] = j end return t',
  'local n = 0 for i = 1, 10 do if i > 3 then break end n = n + i end return n',
  'local n = 0 while true do n = n + 1 if n == 5 then break end end return n',
  'local n = 0 repeat local done = n >= 3 n = n + 1 until done return n',
  'local fs = {} for i = 1, 3 do fs[i] = function() i = i + 1 return i end end return {fs[1](), fs[1](), fs[2]()}',
  'local fs = {} for _, v in ipairs({5, 6}) do fs[#fs + 1] = function() return v end end return {fs[1](), fs[2]()}',
  'local n = 0 for i, v in ipairs({1, 2, nil, 4}) do n = n + v end return n',
  'local n = 0 for k, v in pairs({1, 2, nil, 4, a = 10, ["b c"] = 20, [2.5] = 40, [true] = 80}) do n = n + v end return n',
  'local t = {a = 1, b = 2, c = 3} for k in pairs(t) do t[k] = nil end return {tostring(next(t)), #t}',
  'local n = 0 for k, v in next, {a = 1, b = 2} do n = n + v end return n',
  'local r = {} for w in ("one two  three"):gmatch("%a+") do r[#r + 1] = w end return r',
  'local r = {} for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do r[#r + 1] = k .. v end return r',
  'local r = {} for p in ("|a||b|"):gmatch("([^|]*)|") do r[#r + 1] = "<" .. p .. ">" end return r',
  'local r = {} for p in ("abc"):gmatch("") do r[#r + 1] = p end return #r',
  'local r = {} for p in ("^a^b"):gmatch("^%a") do r[#r + 1] = p end return r',
  'local r = {} for p in ("abc"):gmatch("()%w") do r[#r + 1] = p end return r',
  'local t = {} t.constructor = 1 t.__proto__ = 2 t["toString"] = 3 t.hasOwnProperty = nil return {t.constructor, t["__proto__"], t.toString, tostring(t.valueOf), tostring(t["has" .. "OwnProperty"])}',
  'local t, k = {}, "__pro" .. "to__" t[k] = "x" local n = 0 for _ in pairs(t) do n = n + 1 end return {t[k], n, tostring(({})[k])}',
  'local t = {} t["list"] = 1 t["map"] = 2 t.get = 3 t.item = 4 return {t.list, t.map, t.get, t["it" .. "em"]}',
  'local t = {} t[1.0] = "a" t["1"] = "b" t[-0] = "c" return {t[1], t["1"], t[0]}',
  'local t = {} t[3] = 3 t[2] = 2 t[1] = 1 return {#t, t[1], t[2], t[3]}',
  'local t = {1, 2, 3} t[#t] = nil t[#t + 1] = "x" return t',
  'local t = {1, 2, 3, 4} t[2] = nil return {#t, tostring(t[2]), t[4]}',
  'local t = {[1] = "a", "b"} return t[1]',
  'local t = {"a", [1] = "b", [2] = "c", x = 1, "d"} return {t[1], t[2], t.x}',
  'local t = {n = 1, 10, (function() return 20, 30 end)()} return {t.n, t[1], t[2], t[3]}',
  'local a = {} local b = a b.x = {} b.x.y = 5 return a.x.y',
  'local a, b = 1, 2 a, b = b, a return {a, b}',
  'local t = {1, 2} local i = 1 i, t[i] = i + 1, 20 return {i, t[1], t[2]}',
  'local t = {} t.x, t.x = 1, 2 return t.x',
  'local a, b, c = 1 return {a, tostring(b), tostring(c)}',
  'local t = {} t.a, t.b = (function() return 1, 2, 3 end)() return {t.a, t.b}',
  'local x = 1 do local x = x + 1 end local x = x + 10 return x',
  'local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end return fact(15)',
  'local even, odd function even(n) if n == 0 then return true end return odd(n - 1) end function odd(n) if n == 0 then return false end return even(n - 1) end return {even(10), odd(10)}',
  'local t = {} function t.f(a) return a end function t:g(a) return self == t and a end return {t.f(1), t:g(2), t.g(t, 3)}',
  'local t = {a = {}} function t.a.f() return 5 end return t.a.f()',
  'local s = "x" return {s:rep(2):upper(), (s .. "y"):len(), #s:rep(3)}',
  'local t = {3, 1, 2} table.sort(t) return t',
  'local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return t',
  'local t = {"b", "a", "C"} table.sort(t) return t',
  'local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) return t',
  'local t = {1, 2, 3} local x = table.remove(t) local y = table.remove(t, 1) return {x, y, #t, t[1]}',
  'return {tostring(table.remove({})), select("#", table.remove({}))}',
  'local ok, e = pcall(error, "x") return {tostring(ok), e}',
  'local ok, e = pcall(error, "x", 0) return {tostring(ok), e}',
  'local ok, e = pcall(error, {err = "E x"}) return {tostring(ok), e}',
  'local ok, e = pcall(error) return {tostring(ok), tostring(e)}',
  'local ok, e = pcall(function() error("x") end) return e',
  'local ok, e = pcall(function() error("x", 2) end) return e',
  'local ok, e = pcall(function()\n local x = nil\n return x.y end) return e',
  'local ok, e = pcall(function() return nil + 1 end) return e',
  'local ok, e = pcall(function() local t = {} return t.a.b end) return e',
  'local ok, e = pcall(function() local t = {} return t.a.b.c end) return e',
  'local ok, e = pcall(function() local t = {} t.a.b = 1 end) return e',
  'local ok, e = pcall(function() local t = {} return t:nosuch() end) return e',
  'local ok, e = pcall(function() local t = {} return t.nosuch() end) return e',
  'local ok, e = pcall(function() local f return f() end) return e',
  'local f local ok, e = pcall(function() return f() end) return e',
  'local ok, e = pcall(function() local s = "x" return s:nosuch() end) return e',
  'local ok, e = pcall(function() return {} < {} end) return e',
  'local ok, e = pcall(function() return 1 < "2" end) return e',
  'local ok, e = pcall(function() return nil > 1 end) return e',
  'local ok, e = pcall(function() return {} .. "x" end) return e',
  'local ok, e = pcall(function() local a return "x" .. a end) return e',
  'local ok, e = pcall(function() local a = {} return a + 1 end) return e',
  'local ok, e = pcall(function() local a = "x" return 1 + a end) return e',
  'local ok, e = pcall(function() local t = {} return t.n * 2 end) return e',
  'local ok, e = pcall(function() local t = {} return -t end) return e',
  'local ok, e = pcall(function() local n return #n end) return e',
  'local ok, e = pcall(function() local t = {} t[nil] = 1 end) return e',
  'local ok, e = pcall(function() local t = {} t[0/0] = 1 end) return e',
  'local ok, e = pcall(function() for i = 1, "x" do end end) return e',
  'local ok, e = pcall(function() for i = {}, 1 do end end) return e',
  'local ok, e = pcall(function() for i in 5 do end end) return e',
  'local ok, e = pcall(function() for i in ipairs() do end end) return e',
  'local ok, e = pcall(function() for i in pairs(nil) do end end) return e',
  'local ok, e = pcall(function() return tonumber() end) return e',
  'local ok, e = pcall(function() return tonumber("1", 99) end) return e',
  'local ok, e = pcall(function() return string.rep() end) return e',
  'local ok, e = pcall(function() return string.rep("x", {}) end) return e',
  'local ok, e = pcall(function() return string.format("%d", "x") end) return e',
  'local ok, e = pcall(function() return string.format("%d") end) return e',
  'local ok, e = pcall(function() return string.format("%y", 1) end) return e',
  'local ok, e = pcall(function() return string.format("%s", {}) end) return e',
  'local ok, e = pcall(function() return string.format("%123d", 1) end) return e',
  'local ok, e = pcall(function() return ("x"):find("[") end) return e',
  'local ok, e = pcall(function() return ("x"):find("%") end) return e',
  'local ok, e = pcall(function() return ("x"):find("(") end) return e',
  'local ok, e = pcall(function() return ("x"):find("x)") end) return e',
  'local ok, e = pcall(function() return ("x"):find("%1") end) return e',
  'local ok, e = pcall(function() return ("x"):find("%f") end) return e',
  'local ok, e = pcall(function() return ("x"):gsub("x", "%2") end) return e',
  'local ok, e = pcall(function() return ("x"):gsub("x", {x = {}}) end) return e',
  'local ok, e = pcall(function() return string.gsub("x", "x") end) return e',
  'local ok, e = pcall(function() return ("y"):match("x[") end) return tostring(e)',
  'local ok, e = pcall(function() return table.concat({1, {}, 3}) end) return e',
  'local ok, e = pcall(function() return table.concat({1, nil, 3}, ",", 1, 3) end) return e',
  'local ok, e = pcall(function() return table.insert({}, 1, 2, 3) end) return e',
  'local ok, e = pcall(function() return unpack({}, 1, 9000) end) return e',
  'local ok, e = pcall(function() return select(0) end) return e',
  'local ok, e = pcall(function() return select(-5, 1) end) return e',
  'local ok, e = pcall(function() return string.char(256) end) return e',
  'local ok, e = pcall(function() return setfenv end) return e',
  'local ok, e = pcall(function() undefined = 1 end) return e',
  'local ok, e = pcall(function() string.x = 1 end) return e',
  'local ok, e = pcall(function() return assert(false) end) return e',
  'local ok, e = pcall(function() return assert(nil, "why") end) return e',
  'local ok, e = pcall(function() return assert(false, {}) end) return type(e)',
  'return {assert(1, 2, 3)}',
  'local ok, e = pcall(nil) return {tostring(ok), e}',
  'return {pcall(function(...) return ... end, 1, 2)}',
  'local t = {} for i = 1, 100 do t[i] = i end for i = 1, 100, 2 do t[i] = nil end local n = 0 for k, v in pairs(t) do n = n + v end return n',
  'local function f(a, b) return a, b end return {f((f(1, 2)))}',
  'return {KEYS[1] == nil, #KEYS, #ARGV, tostring(ARGV[1])}',
  'error("boom")',
  'error("boom", 0)',
  'error({err = "MY x"})',
  'error()',
  'error(nil)',
  'error(5)',
  'local t = nil\n\nreturn t.x',
  'local function f()\n error("deep")\nend\nf()',
  'local function f()\n error("outer", 2)\nend\n\nf()',
  'return redis.call("NOSUCH")',
  'local x = 1\nreturn redis.call(\n"HGET")',
  'return redis.pcall("NOSUCH")',
  'local r = redis.pcall("NOSUCH") return {r.err}',
  'return {1, 2, {3, nil, 4}, false, true, "x", 1.9, -1.9, {ok = "fine"}}',
  'return {err = "x\\ny"}',
  'return 1e300',
  'return 0/0 ~= 0/0',
  'return "\\255\\254"',
  'return "ä\\0b"',
  'return [==[\n[[long]]\n]==]',
  'return "a\\\nb\\065\\n\\t\\\\"',
  '--[[ a\nb ]] return 1 -- end',
  'local function f() return 1, 2 end return {(f() --[==[ ] ]==] ), select("#", (f() -- )\n)), select("#", f() --[[)]] )}',
  'return#{1,2}..""',
  'local a<b',
  'return 1 +',
  'x =',
  'for i = 1 do end',
  'if true then return 1 else return 2 end',
  'do return 5 end',
  'return (1)',
  'local t = {f = function(self, x) return x * 2 end} return t:f(21)',
  'local s = "" for i = 1, 300 do s = s .. i end return {#s, redis.sha1hex(s)}',
  `local ${Array.from({ length: 200 }, (_, i) => `a${i}`).join(', ')} return 1`,
  `local ${Array.from({ length: 201 }, (_, i) => `a${i}`).join(', ')} return 1`,
  'return redis.call("PING", 0.1)',
  'return redis.call("PING", 1e100)',
  'return redis.call("PING", -0.000012345)',
]

export const snippets: readonly string[] = [
  ...expressions
    .split(/;\s|\n/)
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(
      (text) =>
        `local function t(...) local r = {...} for i = 1, select("#", ...) do r[i] = tostring(r[i]) end return r end return t(${text})`,
    ),
  ...scripts,
]

/** The same on Redis only: its C library reads and rounds these in another way than that of the interpreter. */
export const snippetsOfRedis: readonly string[] = [
  'return tostring(tonumber("0x"))',
  'return redis.call("PING", 12345678901/1024)',
  'return {tostring(0/0), tostring(tonumber("0x10000000000000001", 16))}',
  'return {string.format("%d", 1e300), string.format("%x", -1), string.format("%u", -1)}',
  'return tostring(tonumber("-1", 16))',
]
