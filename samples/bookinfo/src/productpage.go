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
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// userHeader tells the services who reads, and the mesh's rules by whom to route.
const userHeader = "end-user"

// userCookie keeps who signed in. It is a sample: a name is all it takes.
const userCookie = "bookinfo-user"

//go:embed templates/productpage.html
var pageSource string

var pageTemplate = template.Must(template.New("productpage").Funcs(template.FuncMap{
	"stars": func(n int) string { return strings.Repeat("★", n) + strings.Repeat("☆", max(0, 5-n)) },
}).Parse(pageSource))

// product is one book of the list.
type product struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

var products = []product{{
	ID:    theBook.ID,
	Title: theBook.Title,
	Description: "Two pairs of twins, one city, and not one door that opens to whom it should: " +
		"a play about requests that reach the wrong backend.",
}}

// page is what the template shows.
type page struct {
	Product    product
	User       string
	ServedBy   string
	Details    *book
	DetailsErr string
	Reviews    *bookReviews
	ReviewsErr string
}

func newProductpage(self identity, calls *client) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/productpage", http.StatusFound)
	})
	mux.HandleFunc("GET /productpage", func(w http.ResponseWriter, r *http.Request) {
		r = signedIn(r)
		p := page{Product: products[0], User: r.Header.Get(userHeader), ServedBy: self.workload}
		p.Details, p.DetailsErr = fetch[book](r, calls, detailsURL, "details", p.Product.ID)
		p.Reviews, p.ReviewsErr = fetch[bookReviews](r, calls, reviewsURL, "reviews", p.Product.ID)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = pageTemplate.Execute(w, p)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{
			Name: userCookie, Value: url.QueryEscape(r.PostFormValue("username")),
			Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		http.Redirect(w, r, "/productpage", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: userCookie, Path: "/", MaxAge: -1})
		http.Redirect(w, r, "/productpage", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /api/v1/products", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, products)
	})
	mux.HandleFunc("GET /api/v1/products/{id}", api[book](calls, detailsURL))
	mux.HandleFunc("GET /api/v1/products/{id}/reviews", api[bookReviews](calls, reviewsURL))
	mux.HandleFunc("GET /api/v1/products/{id}/ratings", api[bookRatings](calls, ratingsURL))
	return mux, nil
}

// Where productpage asks, less the book's id.
const (
	detailsURL = "http://details:9080/details/"
	reviewsURL = "http://reviews:9080/reviews/"
)

// signedIn is r with the header of the user who signed in, by cookie or, for a link or a test, by ?u=NAME. Nobody is
// believed who brings the header along.
func signedIn(r *http.Request) *http.Request {
	user := r.URL.Query().Get("u")
	if user == "" {
		if c, err := r.Cookie(userCookie); err == nil {
			user, _ = url.QueryUnescape(c.Value)
		}
	}
	r.Header.Del(userHeader)
	if user != "" {
		r.Header.Set(userHeader, user)
	}
	return r
}

// fetch is one part of the page, or the remark that stands in its place.
func fetch[T any](r *http.Request, calls *client, base, what, id string) (*T, string) {
	var v T
	if _, err := calls.get(r, base+url.PathEscape(id), &v); err != nil {
		return nil, "Sorry, product " + what + " are currently unavailable for this book (" + http.StatusText(statusOf(err)) + ")."
	}
	return &v, ""
}

// api hands on what another service answers.
func api[T any](calls *client, base string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		if _, err := calls.get(signedIn(r), base+url.PathEscape(r.PathValue("id")), &v); err != nil {
			writeJSON(w, statusOf(err), failure{err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}
