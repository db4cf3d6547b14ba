// To be imported before noVNC. As it loads, noVNC 1.7 has the browser decode a picture of H.264 and waits for the answer; some Chromium browsers never
// give one (novnc/noVNC#2034), and the screen would never come. The relay lets no H.264 pass, so nobody needs to be asked.
delete window.VideoDecoder;
