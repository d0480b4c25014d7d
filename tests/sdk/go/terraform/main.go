// Command terraform is aws-sdk-go-base, which Terraform's AWS provider and S3
// backend get their configuration from.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	base "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/aws-sdk-go-base/v2/diag"

	"assumed.test/sdk/answers"
)

func main() {
	_, settings, err := load(context.Background(), "us-east-1")
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
		"region": func(ctx context.Context) (string, error) {
			_, settings, err := load(ctx, "")
			return settings.Region, err
		},
		"account": account,
	})
}

// account asks as the provider does at its start: from iam/info, as the credentials came from IMDS.
func account(ctx context.Context) (string, error) {
	options, settings, err := load(ctx, "us-east-1")
	if err != nil {
		return "", err
	}
	id, partition, diags := base.GetAwsAccountIDAndPartition(ctx, settings, options)
	return fmt.Sprintf("%s/%s", partition, id), failure(diags)
}

func load(ctx context.Context, region string) (*base.Config, aws.Config, error) {
	options := &base.Config{CallerName: "probe", Region: region, SkipCredsValidation: true}
	_, settings, diags := base.GetAwsConfig(ctx, options)
	return options, settings, failure(diags)
}

func failure(diags diag.Diagnostics) error {
	var errs []error
	for _, one := range diags.Errors() {
		errs = append(errs, errors.New(one.Summary()+": "+one.Detail()))
	}
	return errors.Join(errs...)
}
