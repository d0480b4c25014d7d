//! What the AWS SDK for Rust makes of the endpoint, one answer a line.
//!
//! `use` asks STS who is calling, through the client's own identity cache;
//! `region` asks the default region chain.

use std::error::Error;

use aws_config::{ConfigLoader, Region};
use aws_smithy_http_client::Builder;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

type Answer = Result<String, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let loader = || aws_config::from_env().http_client(Builder::new().build_http());
    // A region is given here so that only `region` asks for one.
    let config = loader().region(Region::new("us-east-1")).load().await;
    let at = std::env::var("MIRROR")?;
    let settings = aws_sdk_sts::config::Builder::from(&config).endpoint_url(at);
    let sts = aws_sdk_sts::Client::from_conf(settings.build());

    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.as_str() {
            "use" => key_id(&sts).await,
            "region" => region(loader()).await,
            other => Err(format!("no answer to {other}").into()),
        };
        match answer {
            Ok(text) => println!("ok {text}"),
            Err(error) => println!("error {}", format!("{error:?}").replace('\n', " ")),
        }
    }
    Ok(())
}

async fn key_id(sts: &aws_sdk_sts::Client) -> Answer {
    let caller = sts.get_caller_identity().send().await?;
    Ok(caller.user_id().ok_or("no user id")?.to_owned())
}

async fn region(loader: ConfigLoader) -> Answer {
    let config = loader.load().await;
    Ok(config.region().ok_or("no region")?.to_string())
}
