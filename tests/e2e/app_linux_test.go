// Copyright The pilot-apisix Authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// serveHTTP answers every request with the pod's name and what it was told; HTTP/2 without TLS, too.
func (p *pod) serveHTTP(port int) {
	p.t.Helper()
	s := &http.Server{Protocols: new(http.Protocols), ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			upgrade(w)
			return
		}
		if r.URL.Path == "/slow" {
			time.Sleep(2 * time.Second)
		}
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		_, _ = fmt.Fprintf(w, "%s %s %s from %s", p.name, r.Proto, r.Host, from)
	})}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	l := p.listen(port)
	go func() { _ = s.Serve(l) }()
	p.t.Cleanup(func() { _ = s.Close() })
}

// upgrade says back what it is told, as a WebSocket does.
func upgrade(w http.ResponseWriter) {
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
	_, _ = io.Copy(c, rw)
}

// serveTCP speaks first, when greeting is not empty, then says back what it is told with the pod's name in front.
func (p *pod) serveTCP(port int, greeting string) {
	p.t.Helper()
	p.serveLines(p.listen(port), greeting)
}

// serveLines does the same at a listener.
func (p *pod) serveLines(l net.Listener, greeting string) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, greeting)
				line, err := bufio.NewReader(c).ReadString('\n')
				if err == nil {
					_, _ = io.WriteString(c, p.name+" "+line)
				}
			}()
		}
	}()
}

// serveTLS ends TLS by itself, and says back what it is told with the pod's name in front.
func (p *pod) serveTLS(port int, certificate tls.Certificate) {
	p.t.Helper()
	l := tls.NewListener(p.listen(port), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				line, err := bufio.NewReader(c).ReadString('\n')
				if err == nil {
					_, _ = io.WriteString(c, p.name+" "+line)
				}
			}()
		}
	}()
}

// handshake connects over TLS, as it is, without regard to who the server is unless there are roots.
func (p *pod) handshake(address string, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	raw, err := p.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.InsecureSkipVerify = config.RootCAs == nil
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// sayTLS says something over TLS for a server name.
func (p *pod) sayTLS(address, name string, config *tls.Config, line string) string {
	config = config.Clone()
	config.ServerName = name
	c, err := p.handshake(address, config)
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	return converse(c, line)
}

// redirected is where a request is sent to.
func (p *pod) redirected(address, host string) string {
	client := p.client(address)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Get("http://" + host + "/")
	if err != nil {
		return "error: " + err.Error()
	}
	defer response.Body.Close()
	return fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get("Location"))
}

// get is the answer to a request of the pod's application: its status and body, or an error.
func (p *pod) get(address, host string) string {
	return fetch(p.client(address), "http://"+host+"/")
}

func fetch(client *http.Client, url string) string {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "error: " + err.Error()
	}
	return fetchRequest(client, request)
}

func fetchRequest(client *http.Client, request *http.Request) string {
	response, err := client.Do(request)
	if err != nil {
		return "error: " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body)))
}

// say sends a line, when it is not empty, and is all that comes back.
func (p *pod) say(address, line string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := p.dial(ctx, address)
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	return converse(c, line)
}

func converse(c net.Conn, line string) string {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if line != "" {
		if _, err := io.WriteString(c, line+"\n"); err != nil {
			return "error: " + err.Error()
		}
	}
	b, err := io.ReadAll(c)
	if err != nil && len(b) == 0 {
		return "error: " + err.Error()
	}
	return strings.TrimSpace(string(b))
}
