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

import "net/http"

// bookRatings is what ratings answers: stars, 1 to 5, by reviewer.
type bookRatings struct {
	ID       string         `json:"id"`
	Ratings  map[string]int `json:"ratings"`
	ServedBy string         `json:"servedBy"`
}

func newRatings(self identity, _ *client) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ratings/{id}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, bookRatings{
			ID:       r.PathValue("id"),
			Ratings:  map[string]int{"Antipholus": 5, "Dromio": 4},
			ServedBy: self.workload,
		})
	})
	return mux, nil
}
