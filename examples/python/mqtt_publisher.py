"""Sends messages to the broker. / 向服务端发布消息。

    python mqtt_publisher.py [broker address / 服务端地址]
"""

import sys
import time

from mqtt_node import Mqtt_Node


class Mqtt_Publisher(Mqtt_Node):
    def __init__(self, central_ip="127.0.0.1", port=1883, node_name="bci_", anonymous=True,
                 timeout=60):
        super().__init__(central_ip, port, node_name, anonymous, timeout)

    def Publish(self, topic, payload, qos=0, retain=False):
        """Publishes one message; raises ConnectionError while there is no connection.

        发布一条消息；未连接时抛出 ConnectionError。
        """
        if not self.connected:
            raise ConnectionError(self.error or "not connected to the MQTT server")
        return self.client.publish(topic, payload=payload, qos=qos, retain=retain)


if __name__ == "__main__":
    publisher = Mqtt_Publisher(*sys.argv[1:2])
    publisher.wait_connected()
    try:
        while True:
            try:
                publisher.Publish("test", "this is a test message")
                publisher.Publish("test_2", "this is test 2")
            except ConnectionError as lost:
                print("waiting for the server:", lost)
            time.sleep(1)
    except KeyboardInterrupt:
        publisher.Stop()
