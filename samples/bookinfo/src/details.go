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
	"net/http"
)

// book is what details answers.
type book struct {
	ID        string `json:"id"`
	Title     string `json:"title"`
	Author    string `json:"author"`
	Year      int    `json:"year"`
	Type      string `json:"type"`
	Pages     int    `json:"pages"`
	Publisher string `json:"publisher"`
	Language  string `json:"language"`
	ServedBy  string `json:"servedBy"`
}

func newDetails(self identity, _ *client) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /details/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if id != theBook.ID {
			writeJSON(w, http.StatusNotFound, failure{"there is no book " + id})
			return
		}
		answer := theBook
		answer.ServedBy = self.workload
		writeJSON(w, http.StatusOK, answer)
	})
	return mux, nil
}

// theBook is the only one in the shop.
var theBook = book{
	ID:        "0",
	Title:     "The Comedy of Errors",
	Author:    "William Shakespeare",
	Year:      1595,
	Type:      "paperback",
	Pages:     200,
	Publisher: "The First Folio Press",
	Language:  "English",
}
