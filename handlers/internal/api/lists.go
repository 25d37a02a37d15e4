package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"airlock/handlers/internal/airlock"
)

type listInput struct {
	OfWorkspace
	Creator   string       `query:"creator_user_id" maxLength:"100" doc:"Only requests made by the person with this object id."`
	Type      direction    `query:"type" doc:"Only this direction."`
	Status    statusFilter `query:"status" doc:"Only this status. blocked stands for blocked_by_scan."`
	OrderBy   string       `query:"order_by" maxLength:"100" doc:"createdWhen (or createdTime), updatedWhen, type, status or title. Anything else stands for the default: newest first."`
	Ascending boolText     `query:"order_ascending" doc:"Counts with order_by only. Default: true."`
	Limit     int          `query:"limit" minimum:"1" maximum:"1000" doc:"The longest page; default: 1000. A page may be shorter and still have a next one."`
	Cursor    string       `query:"cursor" maxLength:"2000" doc:"From the Link header of the page before."`
}

type mineInput struct {
	AsReviewer boolText     `query:"airlock_manager" doc:"Instead of the caller's own, the requests of all workspaces under whose review policy the caller can give a review (by default: where they are airlock manager). Default: false."`
	Type       direction    `query:"type" doc:"Only this direction."`
	Status     statusFilter `query:"status" doc:"Only this status. blocked stands for blocked_by_scan."`
	OrderBy    string       `query:"order_by" maxLength:"100" doc:"As in the list of a workspace."`
	Ascending  boolText     `query:"order_ascending" doc:"As in the list of a workspace."`
	Limit      int          `query:"limit" minimum:"1" maximum:"1000" doc:"The longest page; default: 1000."`
	Cursor     string       `query:"cursor" maxLength:"2000" doc:"From the Link header of the page before."`
}

type listOutput struct {
	Link string `header:"Link" doc:"Where the next page is (RFC 8288, rel=next); absent on the last."`
	Body struct {
		Requests []requestWithActions `json:"airlockRequests" nullable:"false"`
	} `nameHint:"RequestList"`
}

type mineOutput struct {
	Link string           `header:"Link" doc:"Where the next page is (RFC 8288, rel=next); absent on the last."`
	Body []airlockRequest `nullable:"false"`
}

// addLists adds what lists requests.
func (s *server) addLists() {
	add(s, operation{
		id: "listRequests", method: http.MethodGet, path: requestsPath, tag: "Requests", summary: "List a workspace's requests",
		about: "For everybody with a role in the workspace. Pages hold while requests come and go.",
	}, func(ctx context.Context, who airlock.Identity, in *listInput) (*listOutput, error) {
		page, err := s.Service.Requests(ctx, who, in.Workspace.lower(), airlock.Listing{
			Status: in.Status.status(), Type: airlock.Direction(in.Type), Creator: in.Creator,
			OrderBy: sortKey(in.OrderBy), Ascending: in.Ascending.or(true), Limit: in.Limit, Cursor: in.Cursor,
		})
		if err != nil {
			return nil, err
		}
		out := &listOutput{Link: next("/api/workspaces/"+in.Workspace.lower()+"/requests", page.Next, url.Values{
			"creator_user_id": {in.Creator}, "type": {string(in.Type)}, "status": {string(in.Status)},
			"order_by": {in.OrderBy}, "order_ascending": {string(in.Ascending)}, "limit": {limit(in.Limit)},
		})}
		out.Body.Requests = make([]requestWithActions, len(page.Views))
		for i, v := range page.Views {
			out.Body.Requests[i] = requestWithActions{Request: s.request(v.Request), Actions: actions(v.Actions)}
		}
		return out, nil
	})
	add(s, operation{
		id: "listMyRequests", method: http.MethodGet, path: "/api/requests", tag: "Requests", summary: "List requests of all workspaces",
		about: "The caller's own, or those that the caller may review. Needs a token for the API's audience.",
		fails: []int{http.StatusForbidden, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, who airlock.Identity, in *mineInput) (*mineOutput, error) {
		page, err := s.Service.Mine(ctx, who, in.AsReviewer.or(false), airlock.Listing{
			Status: in.Status.status(), Type: airlock.Direction(in.Type),
			OrderBy: sortKey(in.OrderBy), Ascending: in.Ascending.or(true), Limit: in.Limit, Cursor: in.Cursor,
		})
		if err != nil {
			return nil, err
		}
		out := &mineOutput{Body: make([]airlockRequest, len(page.Views)), Link: next("/api/requests", page.Next, url.Values{
			"airlock_manager": {string(in.AsReviewer)}, "type": {string(in.Type)}, "status": {string(in.Status)},
			"order_by": {in.OrderBy}, "order_ascending": {string(in.Ascending)}, "limit": {limit(in.Limit)},
		})}
		for i, v := range page.Views {
			out.Body[i] = s.request(v.Request)
		}
		return out, nil
	})
}

// sortKey tolerates what no request is ordered by: AzureTRE's page sends the keys of its columns.
func sortKey(orderBy string) airlock.SortKey {
	switch key := airlock.SortKey(orderBy); key {
	case airlock.SortCreated, airlock.SortUpdated, airlock.SortType, airlock.SortStatus, airlock.SortTitle:
		return key
	case "createdTime":
		return airlock.SortCreated
	default:
		return ""
	}
}

func limit(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// next is the Link header to the next page: the same query with another cursor, relative to this host.
func next(path, cursor string, query url.Values) string {
	if cursor == "" {
		return ""
	}
	for name, values := range query {
		if values[0] == "" {
			query.Del(name)
		}
	}
	query.Set("cursor", cursor)
	return "<" + path + "?" + query.Encode() + `>; rel="next"`
}
