"""A headless Chromium, driven over its DevTools pipe: JSON messages, a zero byte after each."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
SECONDS = 60


def find_browser():
    """Path of a browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page at a time. Coordinates are pixels of the window."""

    def __init__(self, path, profile):
        arguments = [
            path,
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            '--hide-scrollbars',
            '--mute-audio',
            '--autoplay-policy=no-user-gesture-required',
            f'--user-data-dir={profile}',
            '--remote-debugging-pipe',
        ]
        # The browser reads messages from its file 3 and writes them to its file 4.
        files = 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null'
        self.process = subprocess.Popen(
            ['sh', '-c', files, 'sh', *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.numbers = itertools.count(1)
        self.rest = b''
        self.session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)[
            'sessionId'
        ]
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self.call(f'{domain}.enable')

    def close(self):
        self.session = None
        self.call('Browser.close')
        self.process.communicate(timeout=SECONDS)

    def call(self, method, **parameters):
        """The result of a DevTools method."""
        number = next(self.numbers)
        message = {'id': number, 'method': method, 'params': parameters}
        if self.session:
            message['sessionId'] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b'\0')
        self.process.stdin.flush()
        while True:
            answer = self._read()
            if answer.get('id') == number:
                if 'error' in answer:
                    raise RuntimeError(f'{method}: {answer["error"]}')
                return answer['result']
            self._note(answer)

    def open(self, path, width=1280, height=900, scheme='light'):
        """Load a file and wait for it; requests and complaints are counted from here on."""
        self.requests, self.complaints = [], []
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        self.call('Emulation.setEmulatedMedia', features=features)
        self.call('Page.navigate', url=path.as_uri())
        self.wait(
            f'document.readyState === "complete" && location.href === {json.dumps(path.as_uri())}'
        )

    def run(self, script):
        """The value of a script, waited for if it is a promise."""
        done = self.call(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        if 'exceptionDetails' in done:
            raise RuntimeError(json.dumps(done['exceptionDetails']))
        return done['result'].get('value')

    def wait(self, script):
        """Wait until a script is true."""
        end = time.monotonic() + SECONDS
        while not self.run(script):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.02)

    def click(self, x, y, to=None):
        """Press the mouse at a place and release it there, or at another one."""
        self.mouse('mouseMoved', x, y)
        self.mouse('mousePressed', x, y, button='left', clickCount=1)
        if to is not None:
            x, y = to
            self.mouse('mouseMoved', x, y, button='left', buttons=1)
        self.mouse('mouseReleased', x, y, button='left', clickCount=1)

    def mouse(self, kind, x, y, **more):
        self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)

    def press(self, key):
        """Press a key such as ``ArrowRight`` or ``a``."""
        text = {'Enter': '\r'}.get(key, key if len(key) == 1 else '')
        codes = {'Tab': 9, 'Enter': 13, 'End': 35, 'Home': 36}
        codes |= {'ArrowLeft': 37, 'ArrowUp': 38, 'ArrowRight': 39, 'ArrowDown': 40}
        common = {'key': key, 'windowsVirtualKeyCode': codes.get(key, ord(key[0]))}
        self.call('Input.dispatchKeyEvent', type='keyDown', text=text, **common)
        self.call('Input.dispatchKeyEvent', type='keyUp', **common)

    def screenshot(self, path):
        data = self.call('Page.captureScreenshot', format='png')['data']
        path.write_bytes(base64.b64decode(data))

    def _read(self):
        end = time.monotonic() + SECONDS
        while b'\0' not in self.rest:
            left = max(end - time.monotonic(), 0)
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError('no answer from the browser')
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise RuntimeError('the browser has gone')
            self.rest += part
        message, _, self.rest = self.rest.partition(b'\0')
        return json.loads(message)

    def _note(self, event):
        parameters = event.get('params', {})
        if event.get('method') == 'Network.requestWillBeSent':
            self.requests.append(parameters['request']['url'])
        if event.get('method') == 'Runtime.exceptionThrown':
            self.complaints.append(json.dumps(parameters['exceptionDetails']))
        if event.get('method') == 'Log.entryAdded':
            self.complaints.append(parameters['entry']['text'])
