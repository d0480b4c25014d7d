// The line protocol of answers.py, for the probes that are written in JavaScript.
"use strict";

const readline = require("node:readline");

exports.serve = async (questions) => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      console.log(`ok ${await questions[line.trim()]()}`);
    } catch (error) {
      console.log(`error ${String(error).replaceAll("\n", " ")}`);
    }
  }
};
