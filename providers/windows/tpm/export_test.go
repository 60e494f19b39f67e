package tpm

// KillWorkers ends the idle workers as a crash would: without their knowing.
func (p *Pool) KillWorkers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.idle {
		w.cmd.Process.Kill()
	}
}
