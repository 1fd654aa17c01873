/* A sensor in C, with libmosquitto: connects, says that it is there, publishes a number each second and prints
 * what is published below lab/. When the connection is lost it comes back by itself, and so does its will.
 *
 *     sudo apt install libmosquitto-dev
 *     gcc lab.c -o lab -lmosquitto
 *     ./lab 127.0.0.1 1883
 */

#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE "lab/c/online"

static void on_connect(struct mosquitto *client, void *data, int code)
{
    (void)data;
    if (code) {
        fprintf(stderr, "refused: %s\n", mosquitto_connack_string(code));
        return;
    }
    /* Anew with each connection: the session may be new, too. */
    mosquitto_subscribe(client, NULL, "lab/#", 1);
    mosquitto_publish(client, NULL, STATE, 4, "true", 1, true);
}

static void on_message(struct mosquitto *client, void *data, const struct mosquitto_message *message)
{
    (void)client;
    (void)data;
    /* A payload is bytes, and ends with no zero. */
    printf("%s %.*s\n", message->topic, message->payloadlen, (const char *)message->payload);
    fflush(stdout);
}

static void on_disconnect(struct mosquitto *client, void *data, int why)
{
    (void)client;
    (void)data;
    if (why)
        fprintf(stderr, "lost: %s\n", mosquitto_strerror(why));
}

int main(int argc, char **argv)
{
    const char *host = argc > 1 ? argv[1] : "127.0.0.1";
    int port = argc > 2 ? atoi(argv[2]) : 1883;

    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("c-sensor", true, NULL);
    if (!client)
        return 1;
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_message_callback_set(client, on_message);
    mosquitto_disconnect_callback_set(client, on_disconnect);
    mosquitto_will_set(client, STATE, 5, "false", 1, true);
    mosquitto_reconnect_delay_set(client, 1, 30, true);
    /* With users: mosquitto_username_pw_set(client, "name", "password");
     * with TLS, on port 8883: mosquitto_tls_set(client, "ca.pem", NULL, NULL, NULL, NULL); */

    int failed = mosquitto_connect(client, host, port, 60);
    if (failed) {
        fprintf(stderr, "%s:%d: %s\n", host, port, mosquitto_strerror(failed));
        return 1;
    }
    /* A thread of the library's reads, writes and reconnects. */
    mosquitto_loop_start(client);
    for (int count = 1;; count++) {
        char payload[32];
        int length = snprintf(payload, sizeof payload, "{\"count\": %d}", count);
        mosquitto_publish(client, NULL, "lab/c/value", length, payload, 1, false);
        sleep(1);
    }
}
