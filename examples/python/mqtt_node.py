"""What a publisher and a subscriber have in common: one connection to the broker.

一个到服务端的连接：发布者和订阅者共用的部分。Runs on paho-mqtt 1.6 and 2.x.
"""

import random
import threading

import paho.mqtt.client as mqtt


class Mqtt_Node:
    """A client that connects, stays connected, and tells why if it cannot.

    central_ip, port  where the broker listens / 服务端地址和端口
    node_name         client id; with anonymous=True six digits are added, so that several nodes
                      can run at once / 客户端名，anonymous=True 时末尾加六位随机数
    timeout           keep-alive in seconds / 心跳间隔（秒）
    """

    def __init__(self, central_ip, port, node_name, anonymous, timeout):
        self.broker_ip = central_ip
        self.broker_port = port
        self.timeout = timeout
        self.node_name = node_name
        if anonymous:
            self.node_name += str(random.randint(100000, 999999))
        self.error = None  # why the last attempt failed / 最近一次失败的原因
        self._up = threading.Event()
        self._answered = threading.Event()
        self.Start()

    @property
    def connected(self):
        """Whether the broker has accepted us and the connection stands. / 当前是否已连接"""
        return self._up.is_set()

    def Start(self):
        """Connects, and lets a thread of its own keep the connection. / 连接，并启动网络线程

        Raises OSError here, in the caller's thread, if nobody listens at that address.
        """
        self.client = _new_client(self.node_name)
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.prepare()
        self.client.connect(self.broker_ip, self.broker_port, self.timeout)
        self.client.loop_start()

    def Stop(self):
        """Says goodbye and ends the network thread. / 断开并结束网络线程"""
        self.client.disconnect()
        self.client.loop_stop()
        self._up.clear()

    def wait_connected(self, timeout=10):
        """Waits without burning a processor. / 等待连接成功（不空转）

        Raises ConnectionError in the caller's thread if the broker refuses us or is silent.
        """
        if not self._answered.wait(timeout):
            raise ConnectionError(f"no answer from {self.broker_ip}:{self.broker_port}")
        if not self.connected:
            raise ConnectionError(self.error)

    def prepare(self):
        """For subclasses: what to set on the client before it connects."""

    def ready(self):
        """For subclasses: what to do at each connection, the first and every later one."""

    def on_connect(self, client, userdata, flags, rc, properties=None):
        # This runs in the network thread: an exception here would end that thread unseen.
        if rc == 0:
            self.error = None
            self.ready()
            self._up.set()
        else:
            self.error = f"the broker refused the connection: {rc}"
        self._answered.set()

    def on_disconnect(self, client, userdata, *rest):
        # paho 1.6 says (rc), paho 2 says (flags, rc, properties); both reconnect by themselves.
        self._up.clear()


def _new_client(name):
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    if versions is None:
        return mqtt.Client(name)
    return mqtt.Client(versions.VERSION2, client_id=name)
