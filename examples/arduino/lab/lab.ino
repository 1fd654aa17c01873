// A sensor for ESP32 and ESP8266, with PubSubClient (Arduino's library manager has it): connects, says that it is
// there, publishes a number each second and prints what is published to lab/arduino/set.

#ifdef ESP8266
#include <ESP8266WiFi.h>
#else
#include <WiFi.h>
#endif
#include <PubSubClient.h>

const char *network = "name of the wireless network";
const char *passphrase = "its password";
const char *broker = "192.168.1.10"; // the address in the broker's first lines; never 127.0.0.1 here
const char *state = "lab/arduino/online";

// Not `link` or `connect`: the C library has functions of these names.
WiFiClient wifi;
PubSubClient client(wifi);

void on_message(char *topic, byte *payload, unsigned int length) {
  Serial.print(topic);
  Serial.print(' ');
  Serial.write(payload, length);
  Serial.println();
}

// Once, and without waiting for long: loop() goes on meanwhile.
void join() {
  // Each board an id of its own: two with the same one throw each other out.
  String id = "arduino-" + String((uint32_t)random(0x7fffffff), HEX);
  // With users: client.connect(id.c_str(), "name", "password", state, 1, true, "false")
  if (client.connect(id.c_str(), state, 1, true, "false")) {
    client.publish(state, "true", true);
    client.subscribe("lab/arduino/set", 1);
  } else {
    // -2: nobody answers at this address; 4 and 5: user or password are wrong.
    Serial.print("not connected: ");
    Serial.println(client.state());
  }
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(network, passphrase);
  while (WiFi.status() != WL_CONNECTED) {
    delay(200);
  }
  randomSeed(micros());
  client.setServer(broker, 1883);
  client.setCallback(on_message);
  // Larger packets than this are dropped without a word.
  client.setBufferSize(1024);
}

void loop() {
  static unsigned long tried = 0, sent = 0, count = 0;
  unsigned long now = millis();
  if (!client.connected()) {
    if (tried == 0 || now - tried > 2000) {
      tried = now;
      join();
    }
    return;
  }
  client.loop();
  if (now - sent >= 1000) {
    sent = now;
    char payload[32];
    snprintf(payload, sizeof payload, "{\"count\": %lu}", ++count);
    client.publish("lab/arduino/value", payload);
  }
}
