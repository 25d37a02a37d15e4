package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"airlock/scripts/apiclient"
	"airlock/scripts/localazure"
	"airlock/statemachine"
)

// telling is one status of one request that one audience has to hear of.
type telling struct {
	request, status, audience string
}

// due is how many tellings a trail asks for.
func due(id string, trail []apiclient.Record) map[telling]int {
	owed := map[telling]int{}
	for _, r := range trail {
		if r.From == r.To {
			continue
		}
		for _, audience := range statemachine.Told(statemachine.Status(r.To), statemachine.StatusChanged) {
			owed[telling{id, r.To, string(audience)}]++
		}
	}
	return owed
}

// published takes every notice that has reached the watchers, and counts those with different ids.
func published(ctx context.Context, azure *localazure.Azure) (map[telling]int, error) {
	client, err := azservicebus.NewClientFromConnectionString(azure.Bus.ConnectionString(), nil)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	defer client.Close(context.WithoutCancel(ctx))
	receiver, err := client.NewReceiverForSubscription(localazure.NoticeTopic, localazure.WatchList,
		&azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	told, seen := map[telling]int{}, map[string]bool{}
	for {
		stats, err := azure.Bus.Stats(ctx)
		if err != nil {
			return nil, err
		}
		if stats[localazure.NoticeTopic+"/Subscriptions/"+localazure.WatchList].Active == 0 {
			return told, nil
		}
		messages, err := receiver.ReceiveMessages(ctx, 100, nil)
		if err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		for _, m := range messages {
			var n struct {
				ID   string `json:"id"`
				Data struct {
					Audience string `json:"audience"`
					Request  struct {
						ID     string `json:"id"`
						Status string `json:"status"`
					} `json:"request"`
				} `json:"data"`
			}
			if err := json.Unmarshal(m.Body, &n); err != nil {
				return nil, fmt.Errorf("notices: %w", err)
			}
			if !seen[n.ID] {
				seen[n.ID] = true
				told[telling{n.Data.Request.ID, n.Data.Request.Status, n.Data.Audience}]++
			}
		}
	}
}
