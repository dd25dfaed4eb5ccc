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
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// printer writes the story.
type printer struct {
	w io.Writer
}

func newPrinter(w io.Writer) *printer {
	return &printer{w: w}
}

func (p *printer) title(text string) {
	fmt.Fprintf(p.w, "\n%s\n", text)
}

func (p *printer) step(n, of int, title string) {
	p.title(fmt.Sprintf("[%d/%d] %s", n, of, title))
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, "      "+format+"\n", args...)
}

// ok is a fact that was checked.
func (p *printer) ok(format string, args ...any) {
	fmt.Fprintf(p.w, "   ok "+format+"\n", args...)
}

func (p *printer) failure(err error) {
	fmt.Fprintf(p.w, "\n FAIL %v\n", err)
}

func (p *printer) end(steps, skipped int, took time.Duration) {
	text := fmt.Sprintf("All %d steps happened as told, in %v", steps, took.Round(100*time.Millisecond))
	if skipped > 0 {
		text += fmt.Sprintf("; %d were skipped, because there is no APISIX", skipped)
	}
	p.title(text + ".")
}

// table writes rows under a head. Columns after the first are aligned to the right.
func (p *printer) table(head []string, rows [][]string) {
	right := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range append([][]string{head}, rows...) {
		width = max(width, len(row[0]))
	}
	for _, row := range append([][]string{head}, rows...) {
		// The first column is padded by hand: tabwriter aligns all of them alike.
		fmt.Fprintf(right, "      %-*s\t%s\t\n", width, row[0], strings.Join(row[1:], "\t"))
	}
	_ = right.Flush()
}

// millis is a duration as people read it.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}

// spread is the range of several durations.
func spread(ds []time.Duration) string {
	low, high := slices.Min(ds), slices.Max(ds)
	if millis(low) == millis(high) {
		return millis(low)
	}
	return fmt.Sprintf("%.0f to %s", float64(low)/float64(time.Millisecond), millis(high))
}

// counted is "1 resource", "2 resources".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
