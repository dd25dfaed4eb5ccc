-- Copyright The pilot-apisix Authors
--
-- Licensed under the Apache License, Version 2.0 (the "License");
-- you may not use this file except in compliance with the License.
-- You may obtain a copy of the License at
--
--     http://www.apache.org/licenses/LICENSE-2.0
--
-- Unless required by applicable law or agreed to in writing, software
-- distributed under the License is distributed on an "AS IS" BASIS,
-- WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
-- See the License for the specific language governing permissions and
-- limitations under the License.


describe("refused", function()
    local refused, said, before, ngx_before
    local stand_ins = {
        ["apisix.core.schema"] = {check = function(schema, value)
            if value.uri == schema.bad then
                return false, "schema"
            end
            return true
        end},
        ["cjson.safe"] = {encode = function(t) return t.key .. "@" .. t.revision .. ": " .. t.reason end},
    }

    setup(function()
        before = {["apisix.mesh.refused"] = package.loaded["apisix.mesh.refused"]}
        for name, stand_in in pairs(stand_ins) do
            before[name], package.loaded[name] = package.loaded[name] or false, stand_in
        end
        ngx_before = rawget(_G, "ngx")
        _G.ngx = {ERR = 4, log = function(_, mark, text) said[#said + 1] = mark .. text end}
    end)

    teardown(function()
        for name, module in pairs(before) do
            package.loaded[name] = module or nil
        end
        package.loaded["apisix.core.etcd"] = nil
        _G.ngx = ngx_before
    end)

    local etcd, made

    before_each(function()
        said = {}
        local function node(kvs)
            return {key = kvs.key, value = kvs.value, modifiedIndex = kvs.mod_revision}
        end
        etcd = {
            kvs_to_node = node,
            get_format = function(res)
                local nodes = {}
                for i, kvs in ipairs(res) do
                    nodes[i] = node(kvs)
                end
                return {body = {list = nodes}}
            end,
            watch_format = function(res) return {body = {node = {node(res)}}} end,
        }
        package.loaded["apisix.core.etcd"], package.loaded["apisix.mesh.refused"] = etcd, nil
        refused = require("apisix.mesh.refused")
        local config = {new = function(_, opts)
            made = opts
            return made
        end}
        refused.install(config)
        config.new("/routes", {item_schema = {bad = "/bad"}, automatic = true, checker = function(value)
            if value.uri == "/worse" then
                return nil, string.rep("x", 1000)
            end
            return true
        end})
    end)

    local function kvs(uri, revision)
        return {key = "/apisix/routes/a", value = {uri = uri}, mod_revision = revision}
    end

    it("says nothing of what is accepted", function()
        local value = etcd.kvs_to_node(kvs("/good", 7)).value
        assert.is_true(made.checker(value, "/apisix/routes/a"))
        assert.is_true(made.automatic)
        assert.is_nil(made.item_schema)
        assert.same({}, said)
    end)

    it("names the object and the revision, whatever it was read by", function()
        for revision, value in pairs({
            [7] = etcd.kvs_to_node(kvs("/bad", 7)).value,
            [8] = etcd.get_format({kvs("/good", 1), kvs("/bad", 8)}).body.list[2].value,
            [9] = etcd.watch_format(kvs("/bad", 9)).body.node[1].value,
        }) do
            said = {}
            local ok, err = made.checker(value, "/apisix/routes/a")
            assert.is_false(ok)
            assert.equal("schema", err)
            assert.same({"mesh refused: /apisix/routes/a@" .. revision .. ": schema"}, said)
        end
    end)

    it("is short", function()
        local value = etcd.kvs_to_node(kvs("/worse", 7)).value
        assert.is_nil((made.checker(value, "/apisix/routes/a")))
        assert.equal(#"mesh refused: /apisix/routes/a@7: " + 600, #said[1])
    end)

    it("says nothing of what was not read from etcd", function()
        assert.is_false((made.checker({uri = "/bad"}, "/apisix/routes/a")))
        assert.same({}, said)
    end)

    it("survives what has no object", function()
        assert.has_no.errors(function()
            etcd.kvs_to_node({key = "/apisix/routes/"})
            etcd.kvs_to_node({key = "/apisix/routes/", value = "init_dir"})
        end)
    end)

    it("leaves alone what is not checked", function()
        local opts = {automatic = true}
        local config = {new = function(_, o) return o end}
        refused.install(config)
        assert.equal(opts, config.new("/x", opts))
        assert.is_nil(config.new("/x"))
    end)
end)
