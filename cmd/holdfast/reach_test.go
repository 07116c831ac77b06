package main

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestSecretsOfTheParameterStoreAreFound(t *testing.T) {
	moto := testenv.Moto(t)
	moto.Setenv(t)
	_, err := moto.SSM().PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/acme/broker-secret"), Value: aws.String("of the parameter store"), Type: types.ParameterTypeSecureString,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := secrets()(t.Context(), "ssm:/acme/broker-secret")
	if err != nil || got.Reveal() != "of the parameter store" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	t.Setenv("A_SECRET", "of this machine")
	if got, err := secrets()(t.Context(), "env:A_SECRET"); err != nil || got.Reveal() != "of this machine" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}

func TestTheConfigurationOfTheFunctionsCanBeUsedFromElsewhere(t *testing.T) {
	moto := testenv.Moto(t)
	moto.Setenv(t)
	_, err := moto.SSM().PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/acme/config"), Type: types.ParameterTypeString,
		Value: aws.String("broker: { url: https://b.example, secret: ssm:/acme/broker-secret }\nvaults: { main: { s3: { bucket: acme-backups } } }\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(t.Context(), "ssm:/acme/config")
	if err != nil || c.Vaults["main"].S3.Bucket != "acme-backups" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := readConfig(t.Context(), "ssm:/acme/none"); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("of no parameter: got %v", err)
	}
}
