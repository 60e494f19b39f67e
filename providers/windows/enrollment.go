package windows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"hellolab/providers"
	"hellolab/providers/hello"
	"hellolab/providers/spec"
)

type enrollmentObject = providers.Object[spec.Enrollment, spec.EnrollmentOut]

func (w *Windows) enrollment() providers.Kind[spec.Enrollment, spec.EnrollmentOut] {
	return providers.Kind[spec.Enrollment, spec.EnrollmentOut]{
		Name:  "enrollment",
		Doc:   "One user's Windows Hello for Business credential on one device; creating it runs the provisioning flow.",
		After: []string{"tenant", "group", "user", "device", "policy"},
		Home:  func(in spec.Enrollment) providers.Ref { return in.Device },
		Disk:  func(in spec.Enrollment) providers.Ref { return in.Device },
		Watch: enrollmentWatch,
		Key:   enrollmentKey,
		Find:  w.findEnrollment, Create: w.createEnrollment, Read: w.readEnrollment, Delete: w.deleteEnrollment,
	}
}

func enrollmentKey(in spec.Enrollment) string {
	if in.User == "" || in.Device == "" {
		return ""
	}
	return string(in.User) + "|" + string(in.Device)
}

// enrollmentRecord says how far provisioning came. It is written with the
// container and before the registration request: a key in the directory always
// has a record here, whatever instant the process ended at.
type enrollmentRecord struct {
	Addr       string    `json:"addr"`
	ID         string    `json:"id,omitempty"` // of the enrollment, where a reset has brought another key
	KeyID      string    `json:"key_id"`       // kid
	EntryID    string    `json:"entry_id"`     // GUID of the directory entry; empty until registered
	Flow       string    `json:"flow"`
	Trust      string    `json:"trust"`
	DeviceID   string    `json:"device_id"`
	Registered bool      `json:"registered"`
	Created    time.Time `json:"created"`
	Gestures   []string  `json:"gestures,omitempty"` // asked for besides the PIN
	Federated  bool      `json:"federated,omitempty"`
	Delivery   string    `json:"delivery,omitempty"` // of certificate trust
	Receipt    string    `json:"receipt,omitempty"`  // by which AD FS certifies the key before the domain has it
	Hint       string    `json:"hint,omitempty"`     // of AD FS's registration service, for the same
}

// id names the enrollment: by its first key.
func (r enrollmentRecord) id() string { return cmp.Or(r.ID, r.KeyID) }

// enrolling is an enrollment in one call of its kind.
type enrolling struct {
	*machine
	device spec.DeviceOut
	user   person
	tenant spec.TenantOut
	asked  spec.Enrollment
	world  *hello.World
	route  hello.Route
	policy hello.InForce
	short  *poolFiller // of a provisioning that succeeded
}

// enrolling resolves what an enrollment refers to.
func (w *Windows) enrolling(env providers.Env, in spec.Enrollment) (*enrolling, error) {
	d, err := providers.Resolve[spec.Device, spec.DeviceOut](env, in.Device)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Device, err)
	}
	d.In.UnlockPIN.Wipe()
	e := &enrolling{asked: in, device: d.Out}
	if e.machine, err = w.machine(env, string(in.Device), d.In); err != nil {
		return nil, err
	}
	if e.user, err = userOf(env, in.User); err != nil {
		return nil, err
	}
	if e.machine, err = e.at(e.user); err != nil {
		return nil, err
	}
	if e.in.Tenant != "" {
		if e.tenant, err = tenantOf(env, e.in.Tenant); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *enrolling) record() (enrollmentRecord, bool, error) {
	return view[enrollmentRecord](e.env.Section, tableEnrollment, e.user.sid)
}

// out is what the lab learns; last is the status that it knew before.
func (e *enrolling) out(ctx context.Context, rec enrollmentRecord, last string) spec.EnrollmentOut {
	certificate, ends := e.certificateOut(rec)
	return spec.EnrollmentOut{
		EnrollmentID: rec.id(),

		KeyID:      rec.KeyID,
		Flow:       rec.Flow,
		Trust:      rec.Trust,
		KeyStorage: string(e.rec.Storage),
		DeviceID:   rec.DeviceID,
		Status:     e.status(ctx, rec, last),
		Created:    rec.Created.UTC().Format(time.RFC3339),
		Federated:  rec.Federated,
		Delivery:   rec.Delivery,

		Certificate:         certificate,
		CertificateNotAfter: ends,
	}
}

// createEnrollment is the user's first day on the device: first sign-in,
// Windows' check whether to offer Hello, and the provisioning flow.
func (w *Windows) createEnrollment(ctx context.Context, env providers.Env, in spec.Enrollment) (spec.EnrollmentOut, error) {
	defer in.PIN.Wipe()
	end := w.idle.begin()
	defer end()
	e, err := w.enrolling(env, in)
	if err != nil {
		return spec.EnrollmentOut{}, err
	}
	defer e.user.password.Wipe()
	if e.world, err = hello.Around(env.Objects, string(in.User), string(in.Device)); err != nil {
		return spec.EnrollmentOut{}, err
	}
	defer e.oneAtATime()()
	rec, done, err := e.settle(ctx)
	if err == nil && !done {
		rec, err = e.provision(ctx)
	}
	end()
	w.idle.use(ctx, w, env, e.short)
	if err != nil {
		return spec.EnrollmentOut{}, fmt.Errorf("%s: %w", env.Addr, err)
	}
	return e.out(ctx, rec, ""), nil
}

// settle brings what an earlier provisioning left to an end. It reports
// whether the credential is there already; a half made one, and one whose key
// the tenant does not have any more, it removes.
func (e *enrolling) settle(ctx context.Context) (rec enrollmentRecord, done bool, err error) {
	rec, ok, err := e.record()
	if err != nil || !ok {
		return rec, false, err
	}
	if rec.Registered {
		_, there, err := e.inDirectory(ctx, rec)
		switch {
		case err != nil:
			return rec, false, err
		case there && rec.Addr == e.env.Addr:
			return rec, true, nil
		case there:
			return rec, false, fmt.Errorf("%s has provisioned %s on %s already", rec.Addr, e.asked.User, e.asked.Device)
		}
	}
	if err := e.undo(ctx, rec); err != nil {
		return rec, false, fmt.Errorf("undo a provisioning that was cut off: %w", err)
	}
	return rec, false, nil
}

// findEnrollment tells what a killed creation left. A key that the directory
// has is finished; one that it has not is removed here, too, for nobody can
// use it.
func (w *Windows) findEnrollment(ctx context.Context, env providers.Env, key string) (enrollmentObject, error) {
	declared, err := providers.Resolve[spec.Enrollment, spec.EnrollmentOut](env, providers.Ref(env.Addr))
	if errors.Is(err, providers.ErrUnknownObject) || err == nil && key != enrollmentKey(declared.In) {
		return enrollmentObject{}, providers.ErrGone
	}
	if err != nil {
		return enrollmentObject{}, err
	}
	o := enrollmentObject{Addr: env.Addr, In: declared.In}
	o.In.PIN = nil
	e, err := w.enrolling(env, o.In)
	if errors.Is(err, errNotInstalled) || errors.Is(err, errNotCreated) {
		return enrollmentObject{}, providers.ErrGone
	}
	if err != nil {
		return enrollmentObject{}, err
	}
	rec, ok, err := e.record()
	if err != nil {
		return enrollmentObject{}, err
	}
	if !ok || rec.Addr != env.Addr {
		return enrollmentObject{}, providers.ErrGone
	}
	entry, there, err := e.inDirectory(ctx, rec)
	if err != nil {
		return enrollmentObject{}, err
	}
	switch {
	case !there && !rec.Registered:
		if err := e.forget(ctx); err != nil {
			return enrollmentObject{}, err
		}
		return enrollmentObject{}, providers.ErrGone
	case !there:
		return enrollmentObject{}, providers.ErrGone
	case !rec.Registered:
		rec.EntryID, rec.Registered = entry, true
		err := env.Section.Update(ctx, func(s providers.Writer) error { return put(s, tableEnrollment, e.user.sid, rec) })
		if err != nil {
			return enrollmentObject{}, err
		}
	}
	o.Out = e.out(ctx, rec, declared.Out.Status)
	o.ID = o.Out.EnrollmentID
	return o, nil
}

// inDirectory finds the user's key in the directory that it is registered in: the
// tenant's, where the entry has an id, or, without a tenant, the domain's.
func (e *enrolling) inDirectory(ctx context.Context, rec enrollmentRecord) (entry string, there bool, err error) {
	if e.in.Tenant == "" {
		there, err = e.keyInDomain(ctx, rec.KeyID)
		return "", there, err
	}
	a, err := e.w.newAdmin(ctx, e.desk, e.tenant)
	if err != nil {
		return "", false, err
	}
	defer a.Close()
	keys, err := a.helloKeys(ctx, e.user.objectID)
	if err != nil {
		return "", false, err
	}
	for _, k := range keys {
		if k.KeyIdentifier == rec.KeyID {
			return k.ID, true, nil
		}
	}
	return "", false, nil
}

// readEnrollment: a credential is there when both halves are, the container's
// key and the directory's entry.
func (w *Windows) readEnrollment(ctx context.Context, env providers.Env, o enrollmentObject) (enrollmentObject, error) {
	e, err := w.enrolling(env, o.In)
	if errors.Is(err, errNotInstalled) || errors.Is(err, errNotCreated) {
		return o, providers.ErrGone
	}
	if err != nil {
		return o, err
	}
	rec, ok, err := e.record()
	if err != nil {
		return o, err
	}
	if !ok || rec.Addr != o.Addr {
		return o, providers.ErrGone
	}
	_, there, err := e.inDirectory(ctx, rec)
	if err != nil {
		return o, err
	}
	if !there {
		return o, providers.ErrGone
	}
	o.Out = e.out(ctx, rec, o.Out.Status)
	return o, nil
}

// deleteEnrollment removes the key from the directory, then the container.
func (w *Windows) deleteEnrollment(ctx context.Context, env providers.Env, o enrollmentObject) error {
	e, err := w.enrolling(env, o.In)
	if errors.Is(err, errNotInstalled) || errors.Is(err, errNotCreated) {
		return nil
	}
	if err != nil {
		return err
	}
	rec, ok, err := e.record()
	if err != nil || !ok || rec.Addr != o.Addr {
		return err
	}
	defer e.oneAtATime()()
	return e.undo(ctx, rec)
}

// undo removes a credential, whole or half made.
func (e *enrolling) undo(ctx context.Context, rec enrollmentRecord) error {
	var err error
	if e.in.Tenant == "" {
		err = e.removeFromDomain(ctx, rec.KeyID)
	} else {
		err = e.removeFromTenant(ctx, rec.KeyID)
	}
	if err != nil {
		return err
	}
	failpoint(e.env, "enrollment:key-removed")
	return e.forget(ctx)
}

func (e *enrolling) removeFromTenant(ctx context.Context, kid string) error {
	a, err := e.w.newAdmin(ctx, e.desk, e.tenant)
	if err != nil {
		return err
	}
	defer a.Close()
	keys, err := a.helloKeys(ctx, e.user.objectID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.KeyIdentifier == kid {
			if err := a.deleteHelloKey(ctx, e.user.objectID, k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget removes everything that the device keeps of the user's credential.
func (e *enrolling) forget(ctx context.Context) error {
	sid := e.user.sid
	return e.env.Section.Update(ctx, func(w providers.Writer) error {
		err := e.dropCredential(w, sid, e.identity().provider())
		if e.personal() { // the work account stays, and so does the token it came with
			return errors.Join(err, w.Delete(tablePRT, sid+"|"+byHello))
		}
		return errors.Join(err, endSession(w, sid), w.Delete(tableCloudCache, sid+"|"+byHello))
	})
}
