"""Receives messages from the broker. / 从服务端接收消息。

    python mqtt_subscriber.py [broker address / 服务端地址]
"""

import sys
import threading

from mqtt_node import Mqtt_Node


class Mqtt_Subscriber(Mqtt_Node):
    """Listens to one topic or filter and hands each message to `callback_func`.

    callback_func(client, userdata, msg) runs in the network thread; without it payloads are
    printed. / 回调函数在网络线程中运行；不指定时打印消息内容。
    """

    def __init__(self, central_ip="127.0.0.1", port=1883, topic_name="test", callback_func=None,
                 node_name="bci_", anonymous=True, timeout=60):
        self.topic = topic_name
        self.callback = callback_func
        super().__init__(central_ip, port, node_name, anonymous, timeout)

    def prepare(self):
        self.client.on_message = self.callback or self.default_on_message

    def ready(self):
        # At every connection, not once: the broker forgets a clean session's subscriptions when
        # the connection is lost. / 每次连上都要重新订阅：断线后服务端不再保留订阅。
        self.client.subscribe(self.topic)

    def default_on_message(self, client, userdata, msg):
        print(msg.payload.decode("utf-8", "replace"), flush=True)


if __name__ == "__main__":
    subscriber = Mqtt_Subscriber(*sys.argv[1:2])
    subscriber.wait_connected()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        subscriber.Stop()
