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

package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// debugPorts are the ports that "request" may ask: admin, istiod's debug page, readiness, status.
var debugPorts = []int{15000, 15004, 15020, 15021}

const requestTimeout = time.Minute

func newRequestCommand() *cobra.Command {
	port := debugPorts[0]
	request := &cobra.Command{
		Use:   "request <method> <path> [<body>]",
		Short: "Make an HTTP request to the agent's admin page",
		Args:  cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(debugPorts, port) {
				return fmt.Errorf("--debug-port %d: only %v", port, debugPorts)
			}
			body := ""
			if len(args) == 3 {
				body = args[2]
			}
			return doRequest(c.OutOrStdout(), args[0], fmt.Sprintf("http://localhost:%d/%s", port, strings.TrimPrefix(args[1], "/")), body)
		},
	}
	request.Flags().IntVar(&port, "debug-port", port, "Port of this host to ask. The default is the admin page.")
	return request
}

// doRequest writes the answer to out, and nothing else: istioctl reads it.
func doRequest(out io.Writer, method, url, body string) error {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	client := http.Client{Timeout: requestTimeout}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest && response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("received unsuccessful status code %d: %s", response.StatusCode, answer)
	}
	_, err = fmt.Fprintln(out, string(answer))
	return err
}
