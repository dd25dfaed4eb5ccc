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
)

// ratingsURL is where reviews asks for the stars, less the book's id.
const ratingsURL = "http://ratings:9080/ratings/"

// bookReviews is what reviews answers.
type bookReviews struct {
	ID       string   `json:"id"`
	Reviews  []review `json:"reviews"`
	ServedBy string   `json:"servedBy"`
	// RatingsServedBy is the workload that gave the stars; empty when none were asked for, or none came.
	RatingsServedBy string `json:"ratingsServedBy,omitempty"`
}

type review struct {
	Reviewer string  `json:"reviewer"`
	Text     string  `json:"text"`
	Rating   *rating `json:"rating,omitempty"`
}

// rating has stars and their color, or the reason why there are none.
type rating struct {
	Stars int    `json:"stars,omitempty"`
	Color string `json:"color,omitempty"`
	Error string `json:"error,omitempty"`
}

// starColors is what the versions of reviews differ in. A version without a color does not call ratings at all.
var starColors = map[string]string{"v1": "", "v2": "black", "v3": "red"}

func newReviews(self identity, calls *client) (http.Handler, error) {
	color, known := starColors[self.version]
	if !known {
		return nil, fmt.Errorf("--version=%s: reviews has v1, v2 and v3", self.version)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reviews/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer := bookReviews{
			ID: r.PathValue("id"),
			Reviews: []review{
				{Reviewer: "Antipholus", Text: "Two of everything, and every one the wrong one. I laughed all the way to Syracuse."},
				{Reviewer: "Dromio", Text: "Beaten twice for one errand. It reads better than it feels."},
			},
			ServedBy: self.workload,
		}
		if color != "" {
			answer.RatingsServedBy = addStars(r, calls, answer.Reviews, color)
		}
		writeJSON(w, http.StatusOK, answer)
	})
	return mux, nil
}

// addStars asks ratings for the stars of the reviews and returns the workload that gave them. Reviews without stars
// are better than none: a failure becomes a remark on each.
func addStars(r *http.Request, calls *client, reviews []review, color string) string {
	var ratings bookRatings
	servedBy, err := calls.get(r, ratingsURL+r.PathValue("id"), &ratings)
	for i := range reviews {
		if err != nil {
			reviews[i].Rating = &rating{Error: "Ratings are currently unavailable"}
			continue
		}
		reviews[i].Rating = &rating{Stars: ratings.Ratings[reviews[i].Reviewer], Color: color}
	}
	return servedBy
}
