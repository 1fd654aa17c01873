"""Publishing and subscribing while nothing goes wrong, and what callers do wrong."""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

import paho.mqtt.client as mqtt
from place import PATIENCE, Broker, Cable, free_port, name, until

from ternmq import ConnectError, Publisher, Subscriber, Will


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.addClassCleanup(cls.broker.close)

    def publisher(self, **options):
        made = Publisher(port=self.broker.port, **options)
        self.addCleanup(made.close)
        return made

    def subscriber(self, topics, **options):
        made = Subscriber(topics, port=self.broker.port, **options)
        self.addCleanup(made.close)
        return made

    def test_forms_of_payloads(self):
        topic = name()
        listener, speaker = self.subscriber(topic), self.publisher()
        for sent, payload in (("温度", "温度".encode()), (b"\0\xff", b"\0\xff"), (None, b""),
                              (bytearray(b"x"), b"x"), (21.5, b"21.5"), (7, b"7")):
            self.assertTrue(speaker.publish(topic, sent).wait(PATIENCE))
            self.assertEqual(listener.get(PATIENCE).payload, payload)
        speaker.publish_json(topic, {"温度": [1, 2.5, None]})
        message = listener.get(PATIENCE)
        self.assertEqual(message.json(), {"温度": [1, 2.5, None]})
        self.assertEqual(message.text(), '{"温度":[1,2.5,null]}')
        self.assertEqual((message.topic, message.qos, message.retain), (topic, 1, False))
        self.assertAlmostEqual(message.received, time.time(), delta=PATIENCE)

    def test_every_qos_in_order(self):
        for qos in (0, 1, 2):
            topic = name()
            listener, speaker = self.subscriber(topic, qos=qos), self.publisher()
            for n in range(200):
                speaker.publish(topic, str(n), qos)
            got = [listener.get(PATIENCE) for _ in range(200)]
            self.assertEqual([message.text() for message in got], [str(n) for n in range(200)])
            self.assertEqual({message.qos for message in got}, {qos})
            self.assertTrue(speaker.flush(PATIENCE))
            self.assertEqual((speaker.acknowledged, speaker.dropped), (200, 0))

    def test_a_full_buffer_waits_while_there_is_a_connection(self):
        topic = name()
        listener, speaker = self.subscriber(topic), self.publisher(buffer=5)
        for n in range(500):
            speaker.publish(topic, str(n))
        got = [listener.get(PATIENCE).text() for _ in range(500)]
        self.assertEqual(got, [str(n) for n in range(500)])
        self.assertEqual(speaker.dropped, 0)

    def test_a_stream_of_samples(self):
        topic = name()
        listener, speaker = self.subscriber(topic), self.publisher()
        with speaker.stream(topic, 8, "int16", rate=250, batch=25) as stream:
            stream.extend([n + channel for channel in range(8)] for n in range(60))
            with self.assertRaisesRegex(ValueError, "8 channels"):
                stream.add([1, 2])
        got = [listener.get(PATIENCE).samples() for _ in range(3)]
        self.assertEqual([(one.first, len(one.rows)) for one in got], [(0, 25), (25, 25), (50, 10)])
        rows = [row for one in got for row in one.rows]
        self.assertEqual(rows, [tuple(n + c for c in range(8)) for n in range(60)])
        self.assertEqual({(one.kind, one.channels, one.rate) for one in got}, {("int16", 8, 250.0)})
        self.assertAlmostEqual(got[0].start, time.time(), delta=PATIENCE)

    def test_iterating_ends_with_the_subscriber(self):
        topic = name()
        listener, speaker = self.subscriber([topic, topic + "/+"]), self.publisher()
        speaker.publish(topic, "1")
        speaker.publish(topic + "/a", "2")
        got = []
        for message in listener:
            got.append(message.text())
            if len(got) == 2:
                listener.close()
        self.assertEqual(got, ["1", "2"])
        self.assertIsNone(listener.get(0.01))

    def test_a_callback_that_fails_ends_nothing(self):
        topic, got, threads = name(), [], set()

        def take(message):
            threads.add(threading.current_thread())
            got.append(message.text())
            if len(got) == 1:
                raise RuntimeError("once")

        self.subscriber(topic, on_message=take)
        speaker = self.publisher()
        with self.assertLogs("ternmq", "ERROR"):
            speaker.publish(topic, "1")
            speaker.publish(topic, "2")
            until(lambda: got == ["1", "2"])
        self.assertEqual(len(threads), 1)

    def test_a_callback_may_publish_and_subscribe(self):
        question, answer, got = name(), name(), []
        speaker = self.publisher()

        def take(message):
            if message.topic == question:
                listener.subscribe(answer)
                speaker.publish(answer, message.payload).wait(PATIENCE)
            else:
                got.append(message.text())

        listener = self.subscriber(question, on_message=take)
        speaker.publish(question, "?")
        until(lambda: got == ["?"])

    def test_a_slow_reader_loses_nothing_of_qos_1_and_counts_what_it_loses_of_qos_0(self):
        topic = name()
        listener, speaker = self.subscriber(topic, buffer=10), self.publisher()
        for n in range(200):
            speaker.publish(topic, str(n))
        got = []
        while len(got) < 200:
            got.append(listener.get(PATIENCE).text())
            time.sleep(0.002)
        self.assertEqual(got, [str(n) for n in range(200)])
        self.assertEqual(listener.dropped, 0)
        with self.assertLogs("ternmq", "WARNING"):
            for n in range(50):
                speaker.publish(topic, str(n), 0)
            until(lambda: listener.dropped == 40)
        self.assertEqual(listener.get(PATIENCE).text(), "40")

    def test_what_the_broker_refuses_is_told(self):
        speaker = self.publisher()
        with self.assertLogs("ternmq", "WARNING") as said:
            sent = [speaker.publish("$SYS/mine", "x", qos) for qos in (1, 2)]
            self.assertEqual([delivery.wait(PATIENCE) for delivery in sent], [False, False])
        self.assertEqual([(one.state, one.reason) for one in sent], [("refused", 135)] * 2)
        self.assertEqual((speaker.refused, speaker.acknowledged, speaker.waiting), (2, 0, 0))
        self.assertIn("reason code 135", said.output[0])
        self.assertTrue(speaker.publish(name(), "y").wait(PATIENCE))

    def test_more_subscriptions_and_fewer(self):
        one, two = name(), name()
        listener, speaker = self.subscriber(one), self.publisher()
        listener.subscribe(two)
        speaker.publish(two, "2")
        self.assertEqual(listener.get(PATIENCE).text(), "2")
        listener.unsubscribe(one)
        speaker.publish(one, "1")
        speaker.publish(two, "3")
        self.assertEqual(listener.get(PATIENCE).text(), "3")

    def test_retained_messages_say_so(self):
        topic = name()
        self.assertTrue(self.publisher().publish(topic, "kept", retain=True).wait(PATIENCE))
        message = self.subscriber(topic).get(PATIENCE)
        self.assertEqual((message.text(), message.retain), ("kept", True))

    def test_a_will_is_for_those_who_vanish(self):
        topic = name()
        listener = self.subscriber(topic)
        self.publisher(will=(topic, "closed")).close()
        vanishing = self.publisher(will=Will(topic, "gone", qos=1), session_expiry=0)
        # It comes back by itself, but this connection ended without a farewell.
        with self.assertLogs("ternmq", "WARNING"):
            vanishing.client.socket().shutdown(socket.SHUT_RDWR)
            until(lambda: vanishing.error is not None)
        self.assertEqual(listener.get(PATIENCE).text(), "gone")
        self.assertIsNone(listener.get(0.3))

    def test_a_closed_client_leaves_no_session(self):
        who = name("id")
        for resume, present in ((False, False), (True, True)):
            made = self.subscriber(name(), client_id=who, resume=resume)
            self.assertTrue(made.connected)
            made.close()
            self.assertFalse(made.connected)
            self.assertEqual(session_present(self.broker.port, who), present)

    def test_resume_goes_on_where_the_last_run_ended(self):
        who, topic = name("id"), name()
        self.subscriber(topic, client_id=who, resume=True).close()
        self.assertTrue(self.publisher().publish(topic, "meanwhile").wait(PATIENCE))
        again = self.subscriber(topic, client_id=who, resume=True)
        self.assertEqual(again.get(PATIENCE).text(), "meanwhile")
        with self.assertRaisesRegex(ValueError, "client_id"):
            Subscriber(topic, port=self.broker.port, resume=True)

    def test_older_protocols(self):
        for protocol in ("3.1.1", "3.1"):
            topic = name()
            listener = self.subscriber(topic, protocol=protocol)
            self.publisher(protocol=protocol).publish(topic, "old")
            self.assertEqual(listener.get(PATIENCE).text(), "old")
        with self.assertRaisesRegex(ValueError, "5, 3.1.1, 3.1"):
            self.publisher(protocol="4")

    def test_what_is_no_message_says_why(self):
        speaker = self.publisher()
        for topic, payload, error, word in (
                ("a/#", "x", ValueError, "for subscribing"), ("", "x", ValueError, "topic"),
                (b"a", "x", TypeError, "text"), ("a", {"x": 1}, TypeError, "publish_json")):
            with self.assertRaisesRegex(error, word):
                speaker.publish(topic, payload)
        with self.assertRaisesRegex(ValueError, "qos"):
            speaker.publish("a", "x", 3)
        with self.assertRaisesRegex(ValueError, "max_packet_size"):
            speaker.publish("a", bytes(2 * 1024 * 1024))
        with self.assertRaises(ValueError):
            speaker.publish_json("a", float("nan"))
        for topic in ("a/#/b", "a+", "", "a/b#"):
            with self.assertRaises(ValueError):
                self.subscriber(topic)
        speaker.close()
        with self.assertRaisesRegex(RuntimeError, "closed"):
            speaker.publish("a", "x")

    def test_what_the_program_published_last_is_sent_when_it_ends(self):
        topic = name()
        listener = self.subscriber(topic)
        program = (f"from ternmq import Publisher\np = Publisher(port={self.broker.port})\n"
                   f"for n in range(50): p.publish({topic!r}, str(n))\n")
        done = subprocess.run([sys.executable, "-W", "error", "-c", program], timeout=PATIENCE,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        got = [listener.get(PATIENCE).text() for _ in range(50)]
        self.assertEqual(got, [str(n) for n in range(50)])

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            key, cert = Path(folder, "key.pem"), Path(folder, "cert.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                            "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                           check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            cable = Cable(self.broker.port, context)
            self.addCleanup(cable.cut)
            topic = name()
            with Subscriber(topic, "localhost", cable.port, tls=cert) as listener, \
                    Publisher("localhost", cable.port, tls=str(cert)) as speaker:
                speaker.publish(topic, "secret")
                self.assertEqual(listener.get(PATIENCE).text(), "secret")
            with self.assertRaisesRegex(ConnectError, "TLS failed.*authority"):
                Publisher("localhost", cable.port, tls=True)
            with self.assertRaisesRegex(ConnectError, "TLS failed"):
                Publisher("localhost", self.broker.port, tls=str(cert))


class Refusals(unittest.TestCase):
    def test_nobody_listens(self):
        with self.assertRaisesRegex(ConnectError, "Nothing listens at 127.*Start the broker") as it:
            Publisher(port=free_port())
        self.assertIsInstance(it.exception, OSError)
        self.assertIsInstance(it.exception.__cause__, ConnectionRefusedError)

    def test_in_chinese(self):
        with mock.patch.dict("os.environ", {"LC_ALL": "zh_CN.UTF-8"}):
            with self.assertRaisesRegex(ConnectError, "没有程序在监听。请启动服务器"):
                Publisher(port=free_port())

    def test_a_name_that_nobody_has(self):
        with self.assertRaisesRegex(ConnectError, "no such host name"):
            Publisher("no-such-host.invalid")

    def test_a_port_of_something_else(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            with self.assertRaisesRegex(ConnectError, "did not answer within 0.5 s.*1883"):
                Publisher(port=mute.getsockname()[1], wait=0.5)

    def test_a_broker_that_wants_a_password(self):
        broker = Broker("mqtt.allow_anonymous=false")
        self.addCleanup(broker.close)
        for options in ({}, {"username": "lab", "password": "wrong"}):
            with self.assertRaisesRegex(ConnectError, "username= and") as it:
                with self.assertLogs("ternmq", "WARNING"):
                    Publisher(port=broker.port, **options)
            self.assertIn(it.exception.code, (134, 135))
            with self.assertRaises(ConnectError):
                with self.assertLogs("ternmq", "WARNING"):
                    Publisher(port=broker.port, protocol="3.1.1", **options)

    def test_beginning_before_the_broker(self):
        broker = Broker()
        self.addCleanup(broker.close)
        broker.stop()
        topic = name()
        with self.assertLogs("ternmq", "WARNING"):
            speaker = Publisher(port=broker.port, wait=None)
            self.addCleanup(speaker.close)
            listener = Subscriber(topic, port=broker.port, wait=None)
            self.addCleanup(listener.close)
            sent = speaker.publish(topic, "early")
            until(lambda: isinstance(speaker.error, ConnectError))
            self.assertFalse(sent.wait(0.1))
            with self.assertRaisesRegex(ConnectError, "Nothing listens"):
                speaker.wait_connected(0.1)
            broker.start()
            self.assertTrue(sent.wait(PATIENCE))
            speaker.wait_connected()
            listener.wait_connected()
        speaker.publish(topic, "late")
        until(lambda: listener.get(PATIENCE).text() == "late")

    def test_two_clients_of_one_id_are_told(self):
        broker = Broker()
        self.addCleanup(broker.close)
        who = name("id")
        with self.assertLogs("ternmq", "WARNING") as said:
            pair = [Publisher(port=broker.port, client_id=who) for _ in range(2)]
            for one in pair:
                self.addCleanup(one.close)
            until(lambda: any("do not last" in line for line in said.output), 30)


def session_present(port, client_id):
    """Asks with a client of another make, and ends the session."""
    answer = threading.Event()
    box = []

    def on_connect(client, userdata, flags, *rest):
        box.append(flags["session present"] if isinstance(flags, dict) else flags.session_present)
        answer.set()

    options = {"client_id": client_id, "protocol": mqtt.MQTTv5}
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    client = mqtt.Client(versions.VERSION2, **options) if versions else mqtt.Client(**options)
    client.on_connect = on_connect
    client.connect("127.0.0.1", port, clean_start=False)
    client.loop_start()
    answer.wait(PATIENCE)
    client.disconnect()
    client.loop_stop()
    return bool(box[0])


if __name__ == "__main__":
    unittest.main()
