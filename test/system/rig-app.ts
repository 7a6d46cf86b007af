/** The app that rigs give their nodes. */

export const KEY = 'chat00.app000:secretOfTheRig'
export const APPS = {
  apps: [{
    appId: 'chat00',
    keys: [{ id: 'app000', secret: 'secretOfTheRig', capability: { '*': ['*'] } }],
    namespaces: [{ id: 'kept', persisted: true }, { id: 'everywhere', acknowledge: 'global' }],
    limits: {}
  }]
}
