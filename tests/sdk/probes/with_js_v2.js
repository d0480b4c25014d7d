// AWS SDK for JavaScript v2: one STS client, as an application keeps it.
"use strict";

const AWS = require("aws-sdk");
const { serve } = require("./answers.js");

const sts = new AWS.STS({ region: "us-east-1", endpoint: process.env.MIRROR });

serve({
  use: async () => (await sts.getCallerIdentity().promise()).UserId,
  // Nothing in this SDK looks for the Region in IMDS by itself; its metadata client does when asked.
  region: () =>
    new Promise((resolve, reject) => {
      const done = (error, text) => (error ? reject(error) : resolve(text));
      new AWS.MetadataService().fetchMetadataToken((error, token) => {
        if (error) return reject(error);
        const headers = { "x-aws-ec2-metadata-token": token };
        new AWS.MetadataService().request("/latest/meta-data/placement/region", { headers }, done);
      });
    }),
});
