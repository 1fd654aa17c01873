//! A sensor in Rust, with rumqttc: connects, says that it is there, publishes a number each second and prints
//! what is published below lab/. When the connection is lost it comes back by itself, and so does its will.
//!
//!     cargo run -- 127.0.0.1 1883

use std::{thread, time::Duration};

use rumqttc::{Client, Event, LastWill, MqttOptions, Packet, QoS};

const STATE: &str = "lab/rust/online";

fn main() {
    let mut args = std::env::args().skip(1);
    let host = args.next().unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = args.next().and_then(|port| port.parse().ok()).unwrap_or(1883);

    let mut options = MqttOptions::new("rust-sensor", host, port);
    options.set_keep_alive(Duration::from_secs(60));
    options.set_last_will(LastWill::new(STATE, "false", QoS::AtLeastOnce, true));
    // With users: options.set_credentials("name", "password");
    let (client, mut connection) = Client::new(options, 100);

    let publisher = client.clone();
    thread::spawn(move || {
        for count in 1.. {
            let payload = format!("{{\"count\": {count}}}");
            if publisher.publish("lab/rust/value", QoS::AtLeastOnce, false, payload).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
    });

    // Nothing is sent or received but in this loop; after an error it connects again.
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // Anew with each connection: the session may be new, too. Without waiting, because only this
                // loop makes room.
                let asked = client
                    .try_subscribe("lab/#", QoS::AtLeastOnce)
                    .and_then(|()| client.try_publish(STATE, QoS::AtLeastOnce, true, "true"));
                if let Err(error) = asked {
                    eprintln!("not asked for: {error}");
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                println!("{} {}", message.topic, String::from_utf8_lossy(&message.payload));
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("lost: {error}");
                thread::sleep(Duration::from_secs(1));
            }
        }
    }
}
