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
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// options are the flags.
type options struct {
	// bin is the directory of the binaries, samples that of Bookinfo.
	bin, samples string
	// logs is the directory of the processes' logs. It is emptied at the start, and left at the end.
	logs string
	// keep leaves everything running at the end, until it is interrupted.
	keep bool
	// apisix is false to do without APISIX even where one is installed.
	apisix bool
}

func main() {
	var o options
	keep, _ := strconv.ParseBool(os.Getenv("KEEP"))
	flag.StringVar(&o.bin, "bin", "out", "directory with pilot-discovery, pilot-agent and bookinfo")
	flag.StringVar(&o.samples, "samples", "samples/bookinfo", "directory of the sample")
	flag.StringVar(&o.logs, "logs", "out/demo-logs", "directory for the logs of all processes")
	flag.BoolVar(&o.keep, "keep", keep, "stay up at the end, until interrupted; KEEP=1 does the same")
	flag.BoolVar(&o.apisix, "apisix", true, "send requests through an APISIX where one is installed (APISIX_HOME, PATH, /usr/local/apisix)")
	flag.Parse()
	os.Exit(run(o))
}

// run tells the story and cleans up. It returns the exit status.
func run(o options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := newPrinter(os.Stdout)
	d, err := newDemo(o, out)
	if err == nil {
		defer d.close()
		err = d.run(ctx)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "\ninterrupted")
		return 130
	}
	out.failure(err)
	if d != nil {
		d.procs.explain(os.Stderr)
		out.line("the logs are in %s", d.logs)
	}
	return 1
}
