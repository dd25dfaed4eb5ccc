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
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// options are the flags that the four services share.
type options struct {
	// listen is the address to serve on, HOST:PORT.
	listen string
	// version is the workload's version, v1 unless told otherwise.
	version string
	// name is the workload's name in its answers; empty for SERVICE-VERSION.
	name string
	// outbound is the listener of the sidecar that takes every call to another service; empty for none.
	outbound string
	// resolve says where a service is reached when DNS does not know it.
	resolve map[string]string
	// timeout bounds a call to another service.
	timeout time.Duration
}

func main() {
	if err := newCommand().Execute(); err != nil {
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:          "bookinfo",
		Short:        "The services of the Bookinfo sample",
		SilenceUsage: true,
	}
	root.AddCommand(
		// Three seconds is what a reader waits; the tutorial's delay of seven is meant to be longer.
		newService("productpage", "Serve the page, and its data under /api/v1/products", 3*time.Second, newProductpage),
		newService("details", "Serve /details/ID", 0, newDetails),
		newService("reviews", "Serve /reviews/ID: v1 has no stars, v2 black ones, v3 red ones", 10*time.Second, newReviews),
		newService("ratings", "Serve /ratings/ID", 0, newRatings),
	)
	return root
}

// newService makes the subcommand of one service. A service that calls no other one has a timeout of 0 and no flags
// for calls.
func newService(name, short string, timeout time.Duration, handler func(self identity, calls *client) (http.Handler, error)) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			calls, err := newClient(o)
			if err != nil {
				return err
			}
			self := newIdentity(name, o)
			h, err := handler(self, calls)
			if err != nil {
				return err
			}
			ready := func(addr string) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s listens on http://%s\n", self.workload, addr)
			}
			return serve(cmd.Context(), o.listen, self.wrap(h), ready)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.listen, "listen", ":9080", "address to serve on, HOST:PORT")
	flags.StringVar(&o.version, "version", "v1", "version of the workload")
	flags.StringVar(&o.name, "name", "", "name of the workload in its answers (default: SERVICE-VERSION)")
	if timeout > 0 {
		flags.StringVar(&o.outbound, "outbound", "", "send every call to this listener of a sidecar, HOST:PORT or http://HOST:PORT")
		flags.StringToStringVar(&o.resolve, "resolve", nil, "where a service is reached without DNS, NAME:PORT=HOST:PORT; may be repeated")
		flags.DurationVar(&o.timeout, "timeout", timeout, "give up a call to another service after this time")
	}
	return cmd
}
