// Command sdk is AWS SDK for Go v2: one STS client with the default configuration.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"assumed.test/sdk/answers"
)

func main() {
	settings, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("us-east-1"))
	if err != nil {
		log.Fatal(err)
	}
	client := sts.NewFromConfig(settings, func(o *sts.Options) { o.BaseEndpoint = aws.String(os.Getenv("MIRROR")) })

	answers.Serve(map[string]answers.Question{
		"use": func(ctx context.Context) (string, error) {
			caller, err := client.GetCallerIdentity(ctx, nil)
			if err != nil {
				return "", err
			}
			return aws.ToString(caller.UserId), nil
		},
		// The SDK asks IMDS for the Region only where the program tells it to.
		"region": func(ctx context.Context) (string, error) {
			asked, err := config.LoadDefaultConfig(ctx, config.WithEC2IMDSRegion())
			return asked.Region, err
		},
	})
}
