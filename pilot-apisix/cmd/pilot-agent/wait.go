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
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/sleep"
)

// waiter asks until the proxy is ready.
type waiter struct {
	url                                string
	timeoutSeconds                     int
	requestTimeoutMillis, periodMillis int
}

func newWaitCommand() *cobra.Command {
	var w waiter
	wait := &cobra.Command{
		Use:   "wait",
		Short: "Wait until the proxy is ready",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return w.wait(context.Background())
		},
	}
	flags := wait.Flags()
	flags.StringVar(&w.url, "url", "http://localhost:15021/healthz/ready", "URL to use in requests")
	flags.IntVar(&w.timeoutSeconds, "timeoutSeconds", 60, "maximum number of seconds to wait for the proxy to be ready")
	flags.IntVar(&w.requestTimeoutMillis, "requestTimeoutMillis", 500, "number of milliseconds to wait for response")
	flags.IntVar(&w.periodMillis, "periodMillis", 500, "number of milliseconds to wait between attempts")
	return wait
}

func (w *waiter) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.timeoutSeconds)*time.Second)
	defer cancel()
	client := &http.Client{Timeout: time.Duration(w.requestTimeoutMillis) * time.Millisecond}
	log.Infof("waiting for the proxy to be ready (timeout: %d seconds)", w.timeoutSeconds)
	for {
		err := w.check(client)
		if err == nil {
			log.Infof("the proxy is ready")
			return nil
		}
		log.Debugf("not ready yet: %v", err)
		if !sleep.UntilContext(ctx, time.Duration(w.periodMillis)*time.Millisecond) {
			return fmt.Errorf("the proxy is not ready after %d seconds: %w", w.timeoutSeconds, err)
		}
	}
}

// maxReason bounds what is read of the reason for not being ready.
const maxReason = 4096

func (w *waiter) check(client *http.Client) error {
	response, err := client.Get(w.url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	reason, err := io.ReadAll(io.LimitReader(response.Body, maxReason))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP status code %d: %s", response.StatusCode, strings.TrimSpace(string(reason)))
	}
	return nil
}
