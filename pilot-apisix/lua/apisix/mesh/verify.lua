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

-- What a certificate that a server shows must be: from a chain that leads to an authority which is trusted, and with one of the names that
-- are expected, as Envoy compares them. nginx compares one name, which is also the one it asks for, and trusts the same authorities for all; so
-- where an upstream has settings of its own, OpenSSL asks this instead, during the handshake and before anything is sent.

local core = require("apisix.core")
local ffi = require("ffi")
local files = require("apisix.mesh.files")
local ngx_ssl = require("ngx.ssl")
local chains = require("resty.openssl.x509.chain")
local crls = require("resty.openssl.x509.crl")
local lrucache = require("resty.lrucache")
local stores = require("resty.openssl.x509.store")
local x509 = require("resty.openssl.x509")
require("resty.openssl.include.ssl")
local C = ffi.C
local gmatch = string.gmatch
local ipairs = ipairs
local lower = string.lower
local ngx = ngx
local pcall = pcall
local sub = string.sub

-- Others may have declared these.
pcall(ffi.cdef, [[
    int X509_check_host(void *cert, const char *name, size_t length, unsigned int flags, char **peer);
]])
pcall(ffi.cdef, [[
    int X509_check_ip_asc(void *cert, const char *address, unsigned int flags);
]])

-- OpenSSL's X509_CHECK_FLAG_NEVER_CHECK_SUBJECT: the common name counts for nothing.
local SAN_ONLY = 0x20
-- X509_V_FLAG_PARTIAL_CHAIN: what is trusted need not be a root. X509_V_FLAG_CRL_CHECK and _CRL_CHECK_ALL.
local PARTIAL_CHAIN, CRL_CHECK, CRL_CHECK_ALL = 0x80000, 0x4, 0x8

local _M = {}

-- store_of trusts the certificates in a text.
local function store_of(text)
    local store, err = stores.new()
    if not store then
        return nil, err
    end
    local any = false
    for pem in gmatch(text, "%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-.-%-%-%-%-%-END CERTIFICATE%-%-%-%-%-") do
        local cert = x509.new(pem, "PEM")
        -- One that cannot be read is not trusted.
        if cert and store:add(cert) then
            any = true
        end
    end
    if not any then
        return nil, "there is no certificate in it"
    end
    local ok
    ok, err = store:set_flags(PARTIAL_CHAIN)
    return ok and store or nil, err
end

local function crls_of(text)
    local list = {}
    for pem in gmatch(text, "%-%-%-%-%-BEGIN X509 CRL%-%-%-%-%-.-%-%-%-%-%-END X509 CRL%-%-%-%-%-") do
        local crl, err = crls.new(pem, "PEM")
        if not crl then
            return nil, err
        end
        list[#list + 1] = crl
    end
    if #list == 0 then
        return nil, "there is no list of revoked certificates in it"
    end
    return list
end

-- Stores of authorities that came with the upstream, or that go with lists of revoked certificates, by both.
local made = lrucache.new(64)

-- authorities are those that an upstream's settings trust, with their version; or nil and why there are none.
function _M.authorities(tls)
    local text, store, version, err = tls.ca, nil, nil, nil
    if text then
        version = ngx.md5(text)
    else
        local path = tls.ca_certificates or files.system()
        if not path then
            return nil, "the system has no authorities to trust"
        end
        store, version = files.get(path, function(content)
            local s, why = store_of(content)
            return s and {store = s, text = content}, why
        end)
        if not store then
            return nil, version
        end
        store, text = store.store, store.text
    end
    local revoked
    if tls.ca_crl then
        revoked, err = files.get(tls.ca_crl, crls_of)
        if not revoked then
            return nil, err
        end
        version, store = version .. "#" .. err, nil
    end
    store = store or made:get(version)
    if store then
        return store, version
    end
    store, err = store_of(text)
    if not store then
        return nil, err
    end
    for _, crl in ipairs(revoked or {}) do
        local ok
        ok, err = store:add(crl, true)
        if not ok then
            return nil, err
        end
    end
    if revoked then
        store:set_flags(PARTIAL_CHAIN, CRL_CHECK, CRL_CHECK_ALL)
    end
    made:set(version, store)
    return store, version
end

-- uris are those among a certificate's names.
local function uris(cert)
    local out = {}
    local names = cert:get_subject_alt_name()
    if names then
        local next_name = names:each()
        local kind, value = next_name()
        while kind do
            if kind == "URI" then
                out[value] = true
            end
            kind, value = next_name()
        end
    end
    return out
end

-- named says whether a certificate has the name: as a DNS name, where the certificate may have a wildcard, as an address or as a URI.
function _M.named(cert, name)
    if uris(cert)[name] or C.X509_check_ip_asc(cert.ctx, name, 0) == 1 then
        return true
    end
    -- OpenSSL takes a name with a dot in front for all that are below.
    return sub(name, 1, 1) ~= "." and name ~= "" and C.X509_check_host(cert.ctx, lower(name), #name, SAN_ONLY, nil) == 1
end

local function one_of(cert, names)
    for _, name in ipairs(names) do
        if _M.named(cert, name) then
            return true
        end
    end
    return false
end

-- check is true for the certificate of a chain when it is what the expectation says: trusted is a store, or nil for whatever is shown; names are
-- those of which it must have one, host is a name that it must have. Both may be nil.
function _M.check(chain, expected)
    if not expected.trusted then
        return true
    end
    local leaf = chain and chain[1]
    if not leaf then
        return nil, "no certificate was shown"
    end
    local ok, err = expected.trusted:verify(leaf, chain, false, nil, "ssl_server")
    if not ok then
        return nil, err
    end
    if expected.names and #expected.names > 0 and not one_of(leaf, expected.names) then
        return nil, "it has none of the names that are expected"
    end
    if expected.host and not _M.named(leaf, expected.host) then
        return nil, "it is not for " .. expected.host
    end
    return true
end

local function shown()
    local ssl, err = ngx_ssl.get_upstream_ssl_pointer()
    if not ssl then
        return nil, err
    end
    local stack = C.SSL_get_peer_cert_chain(ffi.cast("SSL *", ssl))
    if stack == nil then
        return nil, "no certificate was shown"
    end
    return chains.dup(stack)
end

local function run()
    local ctx = ngx.ctx.api_ctx
    local expected = ctx and ctx.mesh_expected
    if not expected then
        return nil, "nobody said what to expect"
    end
    if not expected.trusted then
        return true
    end
    local chain, err = shown()
    if not chain then
        return nil, err
    end
    return _M.check(chain, expected)
end

-- handshake is what OpenSSL asks, in the phase proxy_ssl_verify_by_lua. Whatever goes wrong ends the handshake.
function _M.handshake()
    local ran, ok, err = pcall(run)
    if ran and ok then
        return
    end
    core.log.error("the certificate of an upstream is not taken: ", ran and err or ok)
    return ngx.exit(ngx.ERROR)
end

return _M
